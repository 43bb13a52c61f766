"""What detectors have in common whose windows are read by a module of their own: how its readings add."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from detectors.columns import Columns

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)
A = TypeVar("A")


class Reader(Protocol[R_contra, A]):
    """The module: `R_contra` is what folding may use of the past, `A` one window's statistic."""

    def nothing(self) -> A:
        """No rows."""

    def read(self, ruler: R_contra, a: A, rows: Columns, /) -> A:
        """`a` with the rows added that have a vote."""

    def together(self, ruler: R_contra, a: A, b: A, /) -> A:
        """Both as one."""

    def units(self, a: A, /) -> int:
        """Units with a vote."""


class ByReading(Generic[R, A]):
    """Folding and merging by `reader`."""

    reader: Reader[R, A]

    def empty(self, prep: R) -> A:
        """No rows."""
        return self.reader.nothing()

    def fold(self, prep: R, a: A, rows: Columns) -> A:
        """Add the voting rows."""
        return self.reader.read(prep, a, rows)

    def merge(self, prep: R, a: A, b: A) -> A:
        """Counts add; of two samples the smallest keys stay."""
        return self.reader.together(prep, a, b)

    def size(self, a: A) -> int:
        """Units with a vote."""
        return self.reader.units(a)
