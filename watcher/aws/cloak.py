"""The only ways in which key values, other people's data, get out of the AWS adapters."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence

from watcher.core.insights import KeyForm

PLAIN_LIMIT = 128  # characters of a key shown in plain
HASH_DIGITS = 12

REDACTED = "(redacted)"

# No text in UTF-8 has this byte, so no label's hash is ever the beginning of an identity.
_IDENTITY = b"\xffidentity"


class KeyCloak:
    """What may be told of the keys of one table. secret: for HMAC-SHA256, so that hashes cannot be looked up in a list
    of guesses, and the same key keeps the same hash as long as the secret lives. Raises ValueError without one."""

    def __init__(self, form: KeyForm, secret: bytes) -> None:
        if not secret:
            raise ValueError("keys are told apart by a hash with a secret; without one anybody could recompute it")
        self._form = form
        self._secret = secret

    def __call__(self, keys: Sequence[str]) -> str:
        """The label: keys in the form in which they may leave the process."""
        if self._form is KeyForm.REDACT:
            return REDACTED
        if self._form is KeyForm.HASH:
            return "key:" + self._hash("\x1f".join(keys).encode("utf-8", "surrogatepass"))[:HASH_DIGITS]
        # How AWS renders unusual keys is not documented: whatever comes must fit one line of UTF-8.
        text = " | ".join(keys).encode("utf-8", "replace").decode()
        line = "".join(character if character.isprintable() else "?" for character in text)
        return line if len(line) <= PLAIN_LIMIT else line[: PLAIN_LIMIT - 3] + "..."

    def identity(self, keys: Sequence[str]) -> str:
        """Tells keys apart in every form, redacted ones, too: neither shown nor stored. 64 hexadecimal digits."""
        parts = [key.encode("utf-8", "surrogatepass") for key in keys]
        # Each part with its length: a key that holds a separator is still not another pair.
        return self._hash(_IDENTITY + b"".join(len(part).to_bytes(8, "big") + part for part in parts))

    def _hash(self, message: bytes) -> str:
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()


Cloaks = Callable[[str], KeyCloak]
"""The cloak for the keys of a table, by its name. Asked anew for each report: the config may be another by then."""
