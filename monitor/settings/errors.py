"""What is wrong with a config, in sentences that say where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.ingest.reasons import printable


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One fault. `line` counts from 1; 0 means that the fault is of the whole file. `problem` never holds a secret."""

    file: str
    line: int
    keys: tuple[str | int, ...]
    problem: str

    @property
    def sentence(self) -> str:
        """`file:line: key.path: problem`, as it is shown to a person: one line."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        path = dotted(self.keys)
        return printable(f"{where}: {path}: {self.problem}" if path else f"{where}: {self.problem}")


class ConfigErrors(Exception):
    """The config cannot be used. `errors` holds every fault that was found, in the order of the file."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(error.sentence for error in self.errors))


def dotted(keys: Sequence[str | int]) -> str:
    """A key path as a person writes it.

    >>> dotted(("kafka", "brokers", 0))
    'kafka.brokers[0]'
    """
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text
