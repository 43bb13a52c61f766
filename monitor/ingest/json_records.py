"""JSON bodies as typed records of only the mapped paths.

A mapping's paths form a tree; the tree becomes nested msgspec structs, so that the parser skips whatever is not mapped.
The typed parse answers "usable or not" quickly. Why a body is not usable is found afterwards, path by path, so that one
field's fault does not hide another's value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, reduce
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import msgspec

from monitor.ingest.mapping import Kind
from monitor.ingest.reasons import dotted, shown

Path = tuple[str, ...]

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on bytes that are not the JSON asked for."""

TYPES: dict[Kind, Any] = {
    Kind.HASH: str | int | None,
    Kind.NUMBER: float | bool | None,
    Kind.SHARE: float | bool | None,
    Kind.FLAG: bool | Literal[0, 1] | None,
    Kind.CATEGORY: str | int | bool | None,
    Kind.VECTOR: list[float] | None,
}
TIME_TYPE: Any = str | int | float | None


class MappingRefused(ValueError):
    """A mapping that cannot be compiled. The message names the field and path, and says what is allowed."""


class Fault(NamedTuple):
    """Why a record cannot be used: our field it concerns ("" for the whole record), and a sentence."""

    field: str
    reason: str


class Use(NamedTuple):
    """Who reads a path (our field's name) and as what. A `type` of Any takes whatever is there."""

    field: str
    path: Path
    type: Any
    allowed: str = "any value"


class Leaf:
    """A value at a path, compiled. `contested` if its readers want different types; it is then parsed as it comes."""

    def __init__(self, use: Use, attribute: tuple[str, ...]) -> None:
        self.uses = [use]
        self.attribute = attribute
        self.items: Tree | None = None

    @property
    def type(self) -> Any:
        """The type that satisfies every reader."""
        wanted = self._wanted()
        return wanted[0] if len(wanted) == 1 else Any

    @property
    def contested(self) -> bool:
        """Whether each reader has to check the value for itself."""
        return len(self._wanted()) > 1

    def _wanted(self) -> list[Any]:
        distinct: list[Any] = []
        for use in self.uses:
            if use.type is not Any and use.type not in distinct:
                distinct.append(use.type)
        return distinct


class Tree:
    """The paths of a mapping (or those inside an element of a list), compiled to one nested struct type.

    Register every use with `add` or `add_list`, then call `compile` once. A tree whose only path is () stands for
    elements that are themselves the value.
    """

    def __init__(self) -> None:
        self._leaves: dict[Path, Leaf] = {}
        self._names: dict[Path, str] = {}
        self.type: Any = None

    def add(self, use: Use) -> Leaf:
        """Register a reader of a path. Raises `MappingRefused` if the path is another's beginning, or has another before it."""
        leaf = self._leaves.get(use.path)
        if leaf is not None:
            if leaf.items is not None or use.type is list:
                raise MappingRefused(
                    f"{use.field}: the list {dotted(use.path)} is read in two ways; a path inside it is allowed"
                )
            leaf.uses.append(use)
            return leaf
        for path, other in self._leaves.items():
            shorter, longer = sorted((path, use.path), key=len)
            if longer[: len(shorter)] == shorter:
                raise MappingRefused(
                    f"{use.field}: path {dotted(use.path)} and path {dotted(path)} of {other.uses[0].field}: "
                    f"{dotted(shorter)} cannot be both a value and an object"
                )
        attribute = tuple(self._name(use.path[: depth + 1]) for depth in range(len(use.path)))
        leaf = self._leaves[use.path] = Leaf(use, attribute)
        return leaf

    def add_list(self, use: Use, elements: Tree) -> Leaf:
        """Register a path that holds a list of what `elements`, already compiled, describes."""
        leaf = self.add(use._replace(type=list))
        leaf.items = elements
        return leaf

    def has(self, path: Path) -> bool:
        """Whether a path, or the beginning of one, is registered."""
        return path in self._names

    def compile(self) -> Any:
        """The struct type; raises `MappingRefused` for keys that no decoder can be made for."""
        self.type = self._leaves[()].type if self.bare else self._struct(())
        return self.type

    @property
    def bare(self) -> bool:
        """Whether the tree stands for a value without keys."""
        return () in self._leaves

    def attribute(self, path: Path) -> str:
        """The struct member's name for a registered path."""
        return self._names[path]

    def inside(self, key: str) -> bool:
        """Whether any path goes on after starting with `key`."""
        return any(len(path) > 1 and path[0] == key for path in self._leaves)

    def subtype(self, key: str) -> Any:
        """The struct type of the paths that start with `key`, of which there is at least one, longer than that."""
        return self._struct((key,))

    def fault(self, documents: Callable[[Path], bytes]) -> Fault | None:
        """What is wrong with a body, in order of registration, or None. `documents` gives the body a path is looked up in."""
        for path, leaf in self._leaves.items():
            fault = leaf_fault(leaf, path, documents(path))
            if fault is not None:
                return fault
        return None

    def _name(self, path: Path) -> str:
        if path not in self._names:
            self._names[path] = f"f{len(self._names)}"
        return self._names[path]

    def _struct(self, prefix: Path) -> Any:
        members: list[tuple[str, Any, Any]] = []
        rename: dict[str, str] = {}
        for path, name in self._names.items():
            if path[:-1] != prefix:
                continue
            rename[name] = path[-1]
            leaf = self._leaves.get(path)
            if leaf is None:
                members.append((name, self._struct(path) | None, None))
            elif leaf.items is not None:
                members.append((name, list[leaf.items.type] | None, None))  # type: ignore[name-defined]  # made here
            else:
                members.append((name, leaf.type, None))
        try:
            return msgspec.defstruct("Record", members, rename=rename, gc=False)
        except ValueError:
            raise MappingRefused(
                f"{dotted(prefix)} has a key with a quote, a backslash or a control character among "
                f"{', '.join(map(dotted, ((key,) for key in rename.values())))}; such keys cannot be mapped"
            ) from None


def leaf_fault(leaf: Leaf, path: Path, document: bytes) -> Fault | None:
    """What is wrong with the value at `path` of a readable JSON document, or None."""
    field = leaf.uses[0].field
    try:
        raw = found(document, path)
    except NotAnObject as stop:
        return Fault(field, str(stop))
    if raw is None:
        return None
    if leaf.items is not None:
        return _elements_fault(leaf.items, leaf.uses[0], raw)
    for use in leaf.uses:
        try:
            msgspec.json.decode(raw, type=use.type)
        except UNREADABLE as error:
            return Fault(use.field, f"{dotted(path)} holds {described(raw, error)}; allowed: {use.allowed}")
    return None


def _elements_fault(elements: Tree, use: Use, raw: bytes) -> Fault | None:
    try:
        parts = msgspec.json.decode(raw, type=list[msgspec.Raw] | None) or []
    except UNREADABLE as error:
        return Fault(use.field, f"{dotted(use.path)} holds {described(raw, error)}; allowed: {use.allowed}")
    for number, part in enumerate(parts):
        body = bytes(part)
        if body == b"null" and not elements.bare:
            return Fault(use.field, f"element {number} of {dotted(use.path)} is null; allowed: no nulls in the list")
        fault = elements.fault(lambda _, body=body: body)  # type: ignore[misc]  # default binds now
        if fault is not None:
            return Fault(fault.field, f"element {number} of {dotted(use.path)}: {fault.reason}")
    return None


class NotAnObject(Exception):
    """A path leads through something that has no keys. The message says where and what it is."""


def found(document: bytes, path: Path) -> bytes | None:
    """The raw JSON at `path`, or None if it is absent or below a null. Raises `NotAnObject`; the last of equal keys counts."""
    raw: bytes | None = document
    for depth, key in enumerate(path):
        try:
            member = _member(key).decode(raw or b"null")
        except UNREADABLE as error:
            where = f"{dotted(path[:depth])} holds" if depth else "the value is"
            raise NotAnObject(
                f"{where} {described(raw or b'', error)}; allowed: an object with the key {dotted((key,))}"
            ) from None
        if member is None or member.value is msgspec.UNSET:
            return None
        raw = bytes(member.value)
    return raw


@lru_cache(maxsize=4096)
def _member(key: str) -> msgspec.json.Decoder[Any]:
    struct = msgspec.defstruct(
        "Member", [("value", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET)], rename={"value": key}
    )
    return msgspec.json.Decoder(struct | None)


def described(raw: bytes, error: Exception) -> str:
    """A raw JSON value in words; what msgspec said of it, if it cannot be read at all."""
    try:
        return shown(msgspec.json.decode(raw))
    except RecursionError:
        return "lists or objects nested too deeply"
    except UnicodeDecodeError:
        return "text that is not UTF-8"
    except msgspec.MsgspecError:
        return f"what cannot be read ({str(error).split(' - at')[0]})"


def gathered(rows: Sequence[Any], attribute: tuple[str, ...]) -> list[Any]:
    """The value at a leaf's attribute of every row; None where it, or an object on the way, is absent or null."""
    if not attribute:
        return list(rows)
    try:
        return list(map(attrgetter(".".join(attribute)), rows))
    except AttributeError:
        return reduce(_below, attribute, list(rows))


def _below(values: list[Any], name: str) -> list[Any]:
    get = attrgetter(name)
    return [None if value is None else get(value) for value in values]
