"""Where settings come from: a TOML file, then the environment laid over it.

Environment: ``WATCHER_TABLES__0__MODE=act`` is ``tables.0.mode``. Levels are separated by two underscores, list items
go by number, names are not case-sensitive except index patterns. The value is a TOML literal (``60``, ``true``,
``{ min = 5, max = 40 }``) or else plain text. Names without two underscores are left alone: Kubernetes sets
``WATCHER_PORT`` and ``WATCHER_SERVICE_HOST`` for a Service called watcher.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_origin

from pydantic import BaseModel

from watcher.config_mistakes import Location, Table, bare, dotted, field_at
from watcher.errors import ConfigError

PREFIX = "WATCHER_"
SEPARATOR = "__"
# What AWS's own tools read, for settings that the file leaves out; of several variables the first one set counts.
AWS_DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "regions": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint_url": ("AWS_ENDPOINT_URL",),
}


@dataclass(slots=True)
class Source:
    """Settings as given, unchecked, with what the environment had to do with them.

    origins: the variable that set a place. plain: that variable's text, for a setting that wants text although its
    value also reads as a number or a date. mistakes: variables that name no place at all.
    """

    data: Table
    origins: dict[Location, str] = field(default_factory=dict)
    plain: dict[Location, str] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)


def read_toml(path: Path) -> Table:
    """The file's tables. Raises ConfigError when it cannot be read or is not TOML, with line and column."""
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}; give an existing file that this user may read"
        raise ConfigError(str(path), (reason,)) from error
    except ValueError as error:  # not UTF-8, or a path with a null character
        raise ConfigError(str(path), (_undecodable(error),)) from None
    try:
        return parse_toml(text)
    except ValueError as error:
        raise ConfigError(str(path), (_syntax_mistake(str(error), text),)) from None


def parse_toml(text: str) -> Table:
    """Raises ValueError for anything that is not TOML, and for what Python cannot take in."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("values are nested too deeply") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # Python's limit on the digits of a number
        raise ValueError("a number has too many digits") from None


def _undecodable(error: ValueError) -> str:
    if not isinstance(error, UnicodeDecodeError):
        return "cannot be read: the path is not one the system knows; give an existing file"
    before = error.object[: error.start]
    line, column = before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1
    return f"line {line}, column {column}: not UTF-8; save the file in that encoding"


def _syntax_mistake(message: str, text: str) -> str:
    cause, _, where = message.partition(" (at ")
    if found := re.match(r"line (\d+), column (\d+)", where):
        line, column = found.groups()
    elif where:  # "end of document"
        line, column = str(text.count("\n") + 1), str(len(text) - (text.rfind("\n") + 1) + 1)
    else:
        return f"not valid TOML: {cause}"
    return f"line {line}, column {column}: not valid TOML: {cause[:1].lower()}{cause[1:]}"


def with_environment(data: Table, environ: Mapping[str, str], root: type[BaseModel]) -> Source:
    """``data`` (changed in place) with the environment laid over it. Never raises; bad names become mistakes."""
    source = Source(data)
    _aws_defaults(source, environ)
    overrides = {
        tuple(name.removeprefix(PREFIX).split(SEPARATOR)): name
        for name in environ
        if name.startswith(PREFIX) and SEPARATOR in name
    }
    # In this order a table comes before its own keys, and list item 0 before item 1.
    for parts in sorted(overrides, key=lambda parts: [(int(p), "") if _is_number(p) else (-1, p) for p in parts]):
        _override(source, parts, overrides[parts], environ[overrides[parts]], root)
    return source


def _aws_defaults(source: Source, environ: Mapping[str, str]) -> None:
    aws = source.data.setdefault("aws", {})
    if not isinstance(aws, dict):
        return  # a mistake that validation reports
    for key, variables in AWS_DEFAULTS.items():
        name = next((name for name in variables if environ.get(name)), None)
        if name and key not in aws:
            aws[key] = [environ[name]] if key == "regions" else environ[name]
            source.origins["aws", key] = name


def _override(source: Source, parts: tuple[str, ...], name: str, text: str, root: type[BaseModel]) -> None:
    holder: object = source.data
    place: Location = ()
    for level, part in enumerate(parts):
        key = _key_in(holder, part, is_pattern=_is(dict, root, place))
        if key is None:
            count = len(holder) if isinstance(holder, list) else 0
            source.mistakes.append(
                f"{dotted(place)}: no item {dotted((part,))}, expected a number from 0 to {count} (from {name})"
            )
            return
        place = (*place, key)
        if level == len(parts) - 1:
            _put(holder, key, _literal(text))
            source.origins[place], source.plain[place] = name, text
        else:
            inner = _get(holder, key)
            if not isinstance(inner, dict | list):
                inner = [] if _is(tuple, root, place) else {}
                _put(holder, key, inner)
                source.origins[place] = name
            holder = inner


def _is(shape: type, root: type[BaseModel], place: Location) -> bool:
    return get_origin(bare(field_at(root, place).annotation)) is shape


def _key_in(holder: object, part: str, *, is_pattern: bool) -> int | str | None:
    """The key that ``part`` of a variable's name means in ``holder``; None for an item that a list cannot have."""
    if isinstance(holder, list):
        return int(part) if _is_number(part) and int(part) <= len(holder) else None
    return part if is_pattern else part.lower()


def _is_number(part: str) -> bool:
    return re.fullmatch(r"[0-9]{1,6}", part) is not None


def _get(holder: object, key: int | str) -> object:
    if isinstance(holder, list):
        return holder[int(key)] if int(key) < len(holder) else None
    return holder.get(key) if isinstance(holder, dict) else None


def _put(holder: object, key: int | str, value: object) -> None:
    if isinstance(holder, list):
        holder[int(key) : int(key) + 1] = [value]
    elif isinstance(holder, dict):
        holder[key] = value


def _literal(text: str) -> object:
    try:
        parsed = parse_toml(f"value = {text}")
    except ValueError:
        return text
    return parsed["value"] if parsed.keys() == {"value"} else text


def as_text(source: Source, place: Location) -> bool:
    """Put a variable's plain text where its literal did not fit. False when ``place`` came from no variable."""
    if place not in source.plain:
        return False
    holder: object = source.data
    for key in place[:-1]:
        holder = _get(holder, key)
    _put(holder, place[-1], source.plain[place])
    return True
