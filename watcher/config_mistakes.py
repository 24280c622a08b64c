"""How a settings model says what is wrong with it: every mistake at once, each one sentence with a dotted path.

The models declare the rules once (types, ranges, patterns, descriptions); the sentences are made from those, so a
bound cannot be changed without its message changing too. Values of secrets never reach a sentence.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Literal, Self, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

Location = tuple[int | str, ...]
Table = dict[str, object]  # one TOML table as parsed

CLASH = "clash"
KEY_OF_TABLE = "[key]"  # how pydantic marks an error in a mapping's key rather than its value
LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Clash:
    """Settings that are each fine but not together. sentence: what goes behind the dotted path.

    at: the place to name, keys: the settings involved, one that lies deeper by its place; all relative to the section
    that reports the clash.
    """

    sentence: str
    keys: tuple[str | Location, ...]
    at: Location = ()


class Section(BaseModel):
    """A frozen part of the configuration that knows no other keys than its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    @classmethod
    def clashes(cls, given: Mapping[str, object]) -> Iterator[Clash]:  # noqa: ARG003 - for sections that have any
        """What is wrong between settings. ``given`` is unchecked: any key may be absent or of any type."""
        yield from ()

    @model_validator(mode="wrap")
    @classmethod
    def _with_clashes(cls, given: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        # An "after" validator would run only once every key is right, and so hide a clash behind a typing error.
        clashes = list(cls.clashes(given)) if isinstance(given, dict) else []
        found: list[InitErrorDetails] = []
        try:
            made = handler(given)
        except ValidationError as error:
            found = [_again(details) for details in error.errors(include_url=False)]
        else:
            if not clashes:
                return made
        found += [_clash_details(clash) for clash in clashes]
        raise ValidationError.from_exception_data(cls.__name__, found)


def _again(details: ErrorDetails) -> InitErrorDetails:
    """An error as reported, in the form that reports it."""
    context = details.get("ctx", {})
    kind = details["type"]
    error_type = PydanticCustomError(CLASH, "settings clash", context) if kind == CLASH else kind
    return InitErrorDetails(type=error_type, loc=details["loc"], input=details["input"], ctx=context)


def _clash_details(clash: Clash) -> InitErrorDetails:
    context = {"sentence": clash.sentence, "keys": clash.keys, "depth": len(clash.at)}
    return InitErrorDetails(type=PydanticCustomError(CLASH, "settings clash", context), loc=clash.at, input=None)


def sentences(error: ValidationError, root: type[BaseModel], origins: Mapping[Location, str]) -> list[str]:
    """Every mistake of ``error``, one sentence each. origins: the environment variable a value came from, by place."""
    found = error.errors(include_url=False)
    return [_sentence(details, root, origins) for details in found if not _is_echo(details, found)]


def _is_echo(details: ErrorDetails, found: Sequence[ErrorDetails]) -> bool:
    """pydantic also calls a list too short when it is its items that are wrong."""
    depth = len(details["loc"])
    return details["type"] == "too_short" and any(
        len(other["loc"]) > depth and other["loc"][:depth] == details["loc"] for other in found
    )


def _sentence(details: ErrorDetails, root: type[BaseModel], origins: Mapping[Location, str]) -> str:
    loc, kind, context = details["loc"], details["type"], details.get("ctx", {})
    key = _key_declaration(details, root)
    place = loc[:-1] if key else loc
    sources = [place]
    if kind == CLASH:
        text = str(context["sentence"])
        section = place[: len(place) - context["depth"]]
        sources += [(*section, *((key,) if isinstance(key, str) else key)) for key in context["keys"]]
    elif kind == "extra_forbidden":
        text = f"unknown key{_suggestion(str(place[-1]), keys_at(root, place[:-1]))}"
    else:
        text = _wrong_value(
            key or field_at(root, loc), kind, details["input"], heading=str(loc[0]) if len(loc) == 1 else ""
        )
    # A file may hold half of a clash and the environment the other half: every variable that has a part is named.
    variables = sorted({name for source in sources if (name := origin_of(source, origins))})
    suffix = f" (from {' and '.join(variables)})" if variables else ""
    return f"{dotted(place)}: {text}{suffix}" if place else f"{text}{suffix}"


def _key_declaration(details: ErrorDetails, root: type[BaseModel]) -> FieldInfo | None:
    """What a mapping's keys are to be, when the mistake is in a key. A pattern may itself read like the mark."""
    loc = details["loc"]
    if len(loc) < 2 or loc[-1] != KEY_OF_TABLE or details["type"] == "extra_forbidden":
        return None
    holder = bare(field_at(root, loc[:-2]).annotation)
    return FieldInfo.from_annotation(get_args(holder)[0]) if get_origin(holder) is dict else None


def _wrong_value(field: FieldInfo, kind: str, value: object, heading: str) -> str:
    expected = expectation(field, heading)
    if kind == "missing":
        return f"missing, expected {expected}"
    seen = "****" if holds_secret(field) and not isinstance(value, list | dict) else shown(value)
    guess = _suggestion(value, choices(field.annotation)) if isinstance(value, str) else ""
    return f"got {seen}, expected {expected}{guess}"


def _suggestion(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word.lower().replace("-", "_"), known, n=1, cutoff=0.6)
    close = close or difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def origin_of(place: Location, origins: Mapping[Location, str]) -> str:
    """The variable that set ``place`` or something it lies in; "" when no variable did."""
    for length in range(len(place), 0, -1):
        if name := origins.get(place[:length]):
            return name
    return ""


def dotted(place: Location) -> str:
    """``tables.0.indexes."by *".read``: as one would write it in TOML, list items by number."""
    return ".".join(_key(part) for part in place)


def _key(part: int | str) -> str:
    text = str(part)
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else shown(text)


def shown(value: object) -> str:
    """A value the way TOML writes it, safe for a terminal; lists and tables only by kind, for they may hold secrets."""
    if isinstance(value, str):
        text = re.sub(r"(?s)//.*@", "//****@", value)  # a password inside a URL
        return json.dumps(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}...")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value) if abs(value) < 10**30 or value != value else "a huge number"  # noqa: PLR0124 - NaN
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    return "a table"


# --- reading the models -----------------------------------------------------------------------------------------------


def field_at(root: type[BaseModel], place: Location) -> FieldInfo:
    """The declaration of a setting by its place; a nondescript one for a place the models do not know."""
    field = FieldInfo.from_annotation(root)
    for part in place:
        field = _inner(field, part)
    return field


def keys_at(root: type[BaseModel], place: Location) -> list[str]:
    """The keys a section may have; empty for a place that is no section."""
    model = _model(field_at(root, place))
    return list(_fields(model)) if model else []


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The settings of a section by the key that the file has, which Python's own words keep from being the name."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _inner(field: FieldInfo, part: int | str) -> FieldInfo:
    annotation = bare(field.annotation)
    arguments = get_args(annotation)
    if model := _model(field):
        return _fields(model).get(str(part), FieldInfo.from_annotation(object))
    if get_origin(annotation) is tuple:
        return FieldInfo.from_annotation(arguments[0])
    if get_origin(annotation) is dict:
        return FieldInfo.from_annotation(arguments[1])
    return FieldInfo.from_annotation(object)


def bare(annotation: object) -> object:
    """The annotation without ``Annotated`` and without ``| None``."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return bare(next(part for part in get_args(annotation) if part is not NoneType))
    return annotation


def _model(field: FieldInfo) -> type[BaseModel] | None:
    annotation = bare(field.annotation)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def holds_secret(field: FieldInfo) -> bool:
    """Whether the setting is a secret, or a section with one, of which nothing may be repeated."""
    if model := _model(field):
        return any(holds_secret(inner) for inner in model.model_fields.values())
    return bare(field.annotation) is SecretStr


def choices(annotation: object) -> list[str]:
    """The words a setting accepts, where it accepts only some."""
    annotation = bare(annotation)
    if get_origin(annotation) is Literal:
        return [str(word) for word in get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return []


def expectation(field: FieldInfo, heading: str = "") -> str:
    """What a setting takes, in words: its own description, or else its type and range.

    heading: the setting's name where it is one that TOML writes in brackets.
    """
    if description := field.description or _without_none(field).description:
        return description
    annotation = bare(field.annotation)
    if words := choices(annotation):
        return f"one of {', '.join(words)}"
    if get_origin(annotation) is tuple:
        return _list_expectation(field, heading)
    names: dict[object, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if annotation in names:
        return names[annotation] + _range(field)
    return f"a table, headed [{heading}]" if heading else "a table"


def _list_expectation(field: FieldInfo, heading: str) -> str:
    item = FieldInfo.from_annotation(get_args(bare(field.annotation))[0])
    if _model(item):
        return f"a list of tables, each headed [[{heading}]]" if heading else "a list of tables"
    adjective = "non-empty " if _constraint(field, "min_length") else ""
    return f"a {adjective}list, each item {expectation(item)}"


def _without_none(field: FieldInfo) -> FieldInfo:
    """The declaration inside ``| None``, where a shared type keeps its description."""
    if get_origin(field.annotation) not in (Union, UnionType):
        return field
    return FieldInfo.from_annotation(next(part for part in get_args(field.annotation) if part is not NoneType))


def _range(field: FieldInfo) -> str:
    low, high, step = (_constraint(field, name) for name in ("ge", "le", "multiple_of"))
    text = "" if low is None or high is None else f" from {low} to {high}"
    return text if step is None else f"{text} in steps of {step}"


def _constraint(field: FieldInfo, name: str) -> object:
    parts = (*field.metadata, *_without_none(field).metadata)
    return next((value for part in parts if (value := getattr(part, name, None)) is not None), None)
