"""The only forms in which a key gets out, and that keys can be told apart in each of them."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.aws.cloak import PLAIN_LIMIT, REDACTED, KeyCloak
from watcher.core.insights import KeyForm

SECRET = b"s" * 32
FORMS = [pytest.param(form, id=form.value) for form in KeyForm]
KEYS = st.lists(st.text(st.characters()), min_size=1, max_size=2)  # lone surrogates, too


@pytest.mark.parametrize(
    ("form", "keys", "label"),
    [
        pytest.param(
            KeyForm.HASH,
            ["customer#7"],
            "key:" + hmac.new(SECRET, b"customer#7", hashlib.sha256).hexdigest()[:12],
            id="hashed with the secret",
        ),
        pytest.param(
            KeyForm.HASH,
            ["a", "b"],
            "key:" + hmac.new(SECRET, b"a\x1fb", hashlib.sha256).hexdigest()[:12],
            id="a pair is hashed as one",
        ),
        pytest.param(KeyForm.REDACT, ["customer#7"], REDACTED, id="redacted"),
        pytest.param(KeyForm.PLAIN, ["customer#7"], "customer#7", id="plain"),
        pytest.param(KeyForm.PLAIN, ["a", "b"], "a | b", id="partition and sort key"),
        pytest.param(KeyForm.PLAIN, ["line\nbreak\x1b[31m"], "line?break?[31m", id="no control characters"),
        pytest.param(KeyForm.PLAIN, ["half \ud800"], "half ?", id="no lone surrogates, which UTF-8 cannot carry"),
        pytest.param(KeyForm.PLAIN, ["x" * PLAIN_LIMIT], "x" * PLAIN_LIMIT, id="a long key at the limit"),
        pytest.param(KeyForm.PLAIN, ["x" * (PLAIN_LIMIT + 1)], "x" * 125 + "...", id="a longer one is cut"),
    ],
)
def test_labels(form: KeyForm, keys: list[str], label: str) -> None:
    assert KeyCloak(form, SECRET)(keys) == label


def test_hashes_tell_keys_apart_and_need_the_secret() -> None:
    one, other = KeyCloak(KeyForm.HASH, b"1"), KeyCloak(KeyForm.HASH, b"2")
    assert one(["a"]) == one(["a"]) != one(["b"])
    assert one(["a"]) != other(["a"])
    assert one.identity(["a"]) != other.identity(["a"])


@pytest.mark.parametrize("form", FORMS)
def test_no_form_does_without_a_secret(form: KeyForm) -> None:
    with pytest.raises(ValueError, match="secret"):
        KeyCloak(form, b"")


@given(KEYS, KEYS)
def test_identities_are_the_same_for_the_same_keys_only_in_every_form(some: list[str], others: list[str]) -> None:
    identities = {KeyCloak(form, SECRET).identity(some) for form in KeyForm}
    (identity,) = identities
    assert len(identity) == 64
    assert (identity == KeyCloak(KeyForm.REDACT, SECRET).identity(others)) is (some == others)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(["a\x1fb"], ["a", "b"], id="a separator within a key is no pair"),
        pytest.param(["ab", "c"], ["a", "bc"], id="the border counts"),
        pytest.param(["a"], ["a", ""], id="an empty sort key is one"),
    ],
)
def test_identities_of_look_alikes_differ(one: list[str], other: list[str]) -> None:
    cloak = KeyCloak(KeyForm.HASH, SECRET)
    assert cloak.identity(one) != cloak.identity(other)


def test_no_label_gives_the_identity_of_another_key_away() -> None:
    """A key that spells what an identity is made of."""
    cloak = KeyCloak(KeyForm.HASH, SECRET)
    spelt = len(b"a").to_bytes(8, "big").decode() + "a"
    assert not cloak.identity(["a"]).startswith(cloak([spelt]).removeprefix("key:"))


@given(st.text(min_size=1), st.sampled_from([KeyForm.HASH, KeyForm.REDACT]))
def test_neither_label_nor_identity_shows_a_key(part: str, form: KeyForm) -> None:
    value = f"planted<{part}>"
    cloak = KeyCloak(form, SECRET)
    assert "planted" not in cloak([value, value]) + cloak.identity([value, value]) + repr(cloak)
