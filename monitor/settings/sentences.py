"""Faults of validation as sentences: what was found, what is allowed, and what was probably meant."""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from monitor.settings.absent import ABSENT
from monitor.settings.quantities import REFUSAL, SENTENCE
from monitor.settings.reader import Document

SECRET_KEYS = frozenset({"url", "password", "token", "notify", "slack", "database"})
"""Whatever stands under a key of one of these names is never shown."""

_LONGEST_SHOWN = 60
_LONGEST_LIST = 12
_COMPARISONS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_KINDS = {
    "string_type": "a text; put it in quotes",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a map (key: value)",
    "model_type": "a map (key: value)",
    "model_attributes_type": "a map (key: value)",
    "list_type": "a list",
    "tuple_type": "a list",
}


def shown(value: object, keys: Sequence[str | int] = ()) -> str:
    """What was found, as a message may show it: short, on one line, secrets and addresses left out."""
    if SECRET_KEYS & set(keys):
        return "the value"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, dict | list | tuple):
        return "a map" if isinstance(value, dict) else "a list"
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(text: str) -> str:
    if "://" in text:
        return "the address"
    cut = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut) + '"'


def meant(given: str, allowed: Iterable[str]) -> str:
    """`did you mean 'x'? ` for a name that is nearly one of `allowed`, which is then left to say by itself."""
    close = difflib.get_close_matches(given, list(allowed), n=1, cutoff=0.6)
    return f"did you mean {close[0]}? " if close else ""


def one_of(given: str, allowed: Iterable[str], what: str) -> str:
    """`"x" is not <what>; did you mean y? allowed: ...`."""
    names = list(allowed)
    listed = f"allowed: {', '.join(names)}" if names else "there is none"
    return f"{shown(given)} is not {what}; {meant(given, names)}{listed}"


Say = Callable[[tuple[str | int, ...], str], None]
"""Takes a key path and a problem."""


def tell(
    errors: ValidationError,
    kind: type[BaseModel],
    document: Document,
    prefix: tuple[str | int, ...],
    say: Say,
    *,
    later: Callable[[Sequence[str | int]], str | None] = lambda _: None,
) -> None:
    """Say every fault of validating `kind` against what `document` has under `prefix`; key paths get the prefix."""
    said: set[tuple[str | int, ...]] = set()
    found = errors.errors(include_url=False, include_input=False)
    unknown = [error["loc"] for error in found if error["type"] == "extra_forbidden"]
    for error in found:
        loc = tuple(key for key in error["loc"] if key != "[key]")
        keys = prefix + loc
        if error["type"] == "missing":
            if any(other[:-1] == loc[:-1] and meant(str(other[-1]), [str(loc[-1])]) for other in unknown):
                continue  # the misspelled key is told, and what it should be
        else:
            keys = document.nearest(keys)
        if keys not in said:
            said.add(keys)
            value = loc[-1] if "[key]" in error["loc"] else document.found(keys)
            say(keys, _problem(error, kind, loc, shown(value, keys), later))


def _problem(
    error: Mapping[str, Any],
    kind: type[BaseModel],
    loc: tuple[str | int, ...],
    found: str,
    later: Callable[[Sequence[str | int]], str | None],
) -> str:
    code, context = str(error["type"]), error.get("ctx", {})
    if code == "missing":
        return f"needed; {_about(kind, loc)}"
    if code == "extra_forbidden":
        return later(loc) or _unknown(kind, loc)
    if code in {SENTENCE, ABSENT}:
        return str(error["msg"])
    plain = found.strip('"')
    return f"{found} {_allowed(code, context, plain, str(error['msg']))}"


def _allowed(code: str, context: Mapping[str, Any], given: str, message: str) -> str:
    """The part of a sentence that follows what was found."""
    if code in {"literal_error", "enum"}:
        allowed = [option.strip("'") for option in str(context["expected"]).replace(" or ", ", ").split(", ")]
        return f"is not known; {meant(given, allowed)}allowed: {', '.join(allowed)}"
    if code in _COMPARISONS:
        key, words = _COMPARISONS[code]
        return f"is not {words} {context[key]:,}".removesuffix(".0")
    if code in _KINDS:
        return f"is not {_KINDS[code]}"
    if code == "too_short":
        return "is empty; at least one entry is needed"
    return message if code == REFUSAL else f"is not allowed: {message}"


def _unknown(kind: type[BaseModel], loc: tuple[str | int, ...]) -> str:
    owner = type_at(kind, loc[:-1])
    return unknown_key(str(loc[-1]), keys_of(owner) if owner is not None else [])


def unknown_key(given: str, allowed: Sequence[str]) -> str:
    """`unknown key; did you mean x?`, with everything that is allowed where that is short or nothing is near."""
    suggestion = meant(given, allowed)
    listed = "" if suggestion and len(allowed) > _LONGEST_LIST else f"allowed: {', '.join(allowed)}"
    return f"unknown key; {suggestion}{listed}".strip()


def _about(kind: type[BaseModel], loc: tuple[str | int, ...]) -> str:
    owner = type_at(kind, loc[:-1])
    for name, field in owner.model_fields.items() if owner is not None else ():
        if (field.alias or name) == loc[-1] and field.description:
            return field.description[0].lower() + field.description[1:].rstrip(".")
    return "there is no default"


def keys_of(kind: type[BaseModel]) -> list[str]:
    """The keys of a settings type, as they are written in a file."""
    return [field.alias or name for name, field in kind.model_fields.items()]


def type_at(kind: type[BaseModel], loc: Sequence[str | int]) -> type[BaseModel] | None:
    """The settings type at a key path below `kind`; None if there is none."""
    here: type[BaseModel] | None = kind
    skip = False  # the next key is a name or an index, not a field
    for key in loc:
        if skip:
            skip = False
            continue
        if here is None:
            return None
        annotation = next((f.annotation for n, f in here.model_fields.items() if (f.alias or n) == key), None)
        here, skip = settings_type(annotation)
    return here


def settings_type(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The settings type inside an annotation, and whether it stands in a map or a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    origin = get_origin(annotation)
    if origin is Annotated:
        return settings_type(get_args(annotation)[0])
    for part in get_args(annotation):
        inner, _ = settings_type(part)
        if inner is not None:
            return inner, origin not in (Union, types.UnionType)
    return None, False
