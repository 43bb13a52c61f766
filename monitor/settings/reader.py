"""YAML 1.2 files as plain data that remembers its lines. The one place that knows the YAML library.

Only plain data is read: no tags, no merge keys, no duplicate keys, and aliases only as far as they stay small.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from monitor.settings.absent import Unset
from monitor.settings.errors import ConfigError, ConfigErrors
from monitor.settings.interpolation import MissingVariable, interpolate

MAX_BYTES = 1_000_000
"""Largest config file."""
MAX_NODES = 100_000
"""Most values in a file, an alias counting as often as it is used."""
MAX_DEPTH = 40
"""Deepest nesting."""

Keys = tuple[str | int, ...]
_TAG = "tag:yaml.org,2002:"


@dataclass(slots=True)
class Document:
    """One file: `data` as maps, lists and scalars; `lines` of every key path; `raw`, the text before interpolation.

    `unset` says of key paths which environment variable is missing there; `data` has an `Unset` in their place.
    """

    file: str
    data: Any = None
    lines: dict[Keys, int] = field(default_factory=dict)
    raw: dict[Keys, str] = field(default_factory=dict)
    unset: dict[Keys, str] = field(default_factory=dict)

    def line(self, keys: Sequence[str | int]) -> int:
        """The line of a key path (of the key itself in a map), or of the nearest thing around it; 0 in an empty file."""
        return self.lines.get(self.nearest(keys), 0)

    def nearest(self, keys: Sequence[str | int]) -> Keys:
        """The longest beginning of a key path that is written in the file."""
        return next((tuple(keys[:n]) for n in range(len(keys), 0, -1) if tuple(keys[:n]) in self.lines), ())

    def found(self, keys: Sequence[str | int]) -> Any:
        """What is written at a key path, or at what of it is written; variables are not replaced."""
        written = self.nearest(keys)
        if written in self.raw:
            return self.raw[written]
        value = self.data
        for key in written:
            value = value[key]
        return value

    def error(self, keys: Sequence[str | int], problem: str) -> ConfigError:
        """A fault at a key path."""
        return ConfigError(self.file, self.line(keys), tuple(keys), problem)


def read(path: Path, environ: Mapping[str, str], *, unset: bool = False) -> Document:
    """The file's one YAML document. Raises `ConfigErrors`: unreadable, too large, not YAML, a variable that is not set.

    With `unset`, variables that are not set are left to the caller, in `Document.unset`.
    """
    return parse(_text(path), str(path), environ, unset=unset)


def parse(text: str, file: str, environ: Mapping[str, str], *, unset: bool = False) -> Document:
    """The YAML document in `text`; `file` is its name in errors; see `read`. Raises `ConfigErrors`."""
    if text.lstrip("\ufeff").lstrip().startswith("%"):
        raise ConfigErrors([ConfigError(file, 1, (), "YAML directives (%...) are not read; the file is YAML 1.2")])
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = MAX_DEPTH
    yaml.composer.warn_double_anchors = False
    try:
        root = yaml.compose(io.StringIO(text))
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 0
        raise ConfigErrors([ConfigError(file, line, (), f"not YAML: {_plain_problem(error)}")]) from None
    except YAMLError:
        raise ConfigErrors([ConfigError(file, 0, (), "not YAML: it holds control characters")]) from None
    except RecursionError:
        raise ConfigErrors([ConfigError(file, 0, (), f"nested deeper than {MAX_DEPTH} levels")]) from None
    document = Document(file)
    if root is not None:
        builder = _Builder(document, environ)
        document.data = builder.value(root, (), root.start_mark.line + 1)
        missing = [document.error(keys, problem) for keys, problem in document.unset.items()]
        if builder.errors or (missing and not unset):
            raise ConfigErrors(sorted([*builder.errors, *missing], key=lambda error: error.line))
    return document


def _text(path: Path) -> str:
    def refuse(problem: str) -> ConfigErrors:
        return ConfigErrors([ConfigError(str(path), 0, (), problem)])

    try:
        with path.open("rb") as file:
            body = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror}") from error
    if len(body) > MAX_BYTES:
        raise refuse(f"larger than {MAX_BYTES:,} bytes, the most a config may have")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        raise ConfigErrors([ConfigError(str(path), line, (), "not UTF-8 text")]) from None


def _plain_problem(error: MarkedYAMLError) -> str:
    problem = str(error.problem or "")
    if problem.startswith("found undefined alias"):
        return (
            "a value that begins with * is an alias, and no such anchor stands above it; put texts like this in quotes"
        )
    if problem.startswith("mapping values are not allowed"):
        return "a ':' where none can stand; check the indentation, or put the text in quotes"
    if problem.startswith("but found another document"):
        return "a second document begins here; one file holds one"
    if problem.startswith("maximum depth"):
        return f"nested deeper than {MAX_DEPTH} levels"
    return problem.replace("\\t", "tab")


class _Builder:
    """Turns nodes into data; collects every fault instead of stopping at the first."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self.document = document
        self.environ = environ
        self.errors: list[ConfigError] = []
        self.left = MAX_NODES
        self.open: list[Node] = []

    def value(self, node: Node, keys: Keys, line: int) -> Any:
        self.document.lines[keys] = line
        self.left -= 1
        if self.left < 0:
            if self.left == -1:
                self.refuse(keys, line, f"more than {MAX_NODES:,} values, aliases counted as often as they are used")
            return None
        if any(node is outer for outer in self.open):
            self.refuse(keys, line, "an alias that holds itself")
            return None
        if isinstance(node, ScalarNode):
            return self.scalar(node, keys, line)
        if str(node.tag) not in {_TAG + "map", _TAG + "seq"}:
            self.refuse(keys, line, "a YAML tag (!...) is not read; only plain data is")
            return None
        self.open.append(node)
        built = self.mapping(node, keys) if isinstance(node, MappingNode) else self.sequence(node, keys)
        self.open.pop()
        return built

    def mapping(self, node: MappingNode, keys: Keys) -> dict[str, Any]:
        built: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode) or str(key_node.tag) == _TAG + "null":
                self.refuse(keys, line, "a key must be a text")
            elif str(key_node.tag) == _TAG + "merge":
                self.refuse(keys, line, "merge keys (<<) are not read; write the keys out")
            elif key_node.value in first:
                self.refuse((*keys, key_node.value), line, f"written twice; first on line {first[key_node.value]}")
            else:
                key = key_node.value
                first[key] = line
                built[key] = self.value(value_node, (*keys, key), line)
        return built

    def sequence(self, node: Node, keys: Keys) -> list[Any]:
        return [self.value(item, (*keys, i), item.start_mark.line + 1) for i, item in enumerate(node.value)]

    def scalar(self, node: ScalarNode, keys: Keys, line: int) -> Any:
        tag, text = str(node.tag), str(node.value)
        if tag in _PLAIN:
            return _PLAIN[tag](text)
        if tag not in {_TAG + "str", _TAG + "timestamp"}:
            self.refuse(keys, line, "a YAML tag (!...) is not read; only plain data is")
            return None
        return self.text(text, keys) if "${" in text else text

    def text(self, text: str, keys: Keys) -> str:
        self.document.raw[keys] = text
        try:
            return interpolate(text, self.environ)
        except MissingVariable as missing:
            self.document.unset[keys] = str(missing)
            return Unset(text, str(missing))

    def refuse(self, keys: Keys, line: int, problem: str) -> None:
        self.errors.append(ConfigError(self.document.file, line, keys, problem))


def _integer(text: str) -> int | str:
    plain = text.replace("_", "").lower()
    digits = plain.lstrip("+-")
    try:
        value = int(digits, {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2], 10))
    except ValueError:
        return text
    return -value if plain.startswith("-") else value


def _float(text: str) -> float | str:
    try:
        return float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text


_PLAIN: dict[str, Callable[[str], Any]] = {
    _TAG + "null": lambda _: None,
    _TAG + "bool": lambda text: text.lower() == "true",
    _TAG + "int": _integer,
    _TAG + "float": _float,
}
