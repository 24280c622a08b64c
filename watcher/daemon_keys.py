"""How other people's key values leave the watcher: the form by table, and what hashes are keyed with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from watcher.aws.cloak import KeyCloak
from watcher.config import Config
from watcher.core.insights import KeyForm
from watcher.ports import Store


def configured_secret(config: Config) -> bytes | None:
    """The config's own secret, None where it leaves that to the state store."""
    given = config.hot_keys.hash_secret
    return None if given is None else given.get_secret_value().encode()


def hash_secret(config: Config, store: Store) -> bytes:
    """What hashes of key values are keyed with: the config's secret, else the store's. Raises StoreError."""
    given = configured_secret(config)
    return store.secret() if given is None else given


def key_cloaks(config: Config, secret: bytes) -> Callable[[str], KeyCloak]:
    """The cloak of a table's keys, by the table's name."""
    cloaks: Mapping[KeyForm, KeyCloak] = {form: KeyCloak(form, secret) for form in KeyForm}
    return lambda table: cloaks[config.key_form_for(table)]
