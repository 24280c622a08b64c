"""What hashes are keyed with, and in which form each table's keys go out."""

from __future__ import annotations

from watcher.config import Config
from watcher.daemon_keys import configured_secret, hash_secret, key_cloaks
from watcher.store.memory import MemoryStore

SECRET = "correct horse battery staple"


def test_the_configs_secret_comes_before_the_stores() -> None:
    config = Config.model_validate({"hot_keys": {"hash_secret": SECRET}})
    assert hash_secret(config, MemoryStore()) == configured_secret(config) == SECRET.encode()


def test_without_one_it_is_the_stores_and_stays_it() -> None:
    store = MemoryStore()
    assert configured_secret(Config()) is None
    assert hash_secret(Config(), store) == hash_secret(Config(), store) == store.secret()


def test_each_tables_keys_have_its_own_form() -> None:
    rules = [
        {"match": "open-*", "hot_keys": {"key_values": "plain"}},
        {"match": "closed", "hot_keys": {"key_values": "redact"}},
        {"match": "other"},
    ]
    cloaks = key_cloaks(Config.model_validate({"tables": rules}), SECRET.encode())
    labels = {name: cloaks(name)(["customer#1"]) for name in ("open-data", "closed", "other", "unwatched")}
    assert (labels["open-data"], labels["closed"]) == ("customer#1", "(redacted)")
    assert labels["other"] == labels["unwatched"], "the default form, where no rule matches either"
    assert labels["other"].startswith("key:")


def test_another_secret_gives_another_hash() -> None:
    one, other = (key_cloaks(Config(), secret)("orders")(["customer#1"]) for secret in (b"a" * 32, b"b" * 32))
    assert one != other
