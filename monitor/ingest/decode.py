"""Blocks of undecoded records to columns; records that cannot be used to rejects.

A record has one of four ends: a row, a reject, filtered by `where`, or a tombstone. Conditions are looked at before
anything else that needs understanding: a record that is not ours is never a dead letter for what its other fields hold, as
long as it is JSON and its conditions can be read. Decoding is a pure function of mapping, key and block: where a stream is
cut into blocks changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from detectors.columns import Bools, Category, Cohort, Column, Columns, Hash, Hashes, Ints, Ragged, flag
from monitor.events import Block, Reject
from monitor.ingest import cloudevents, cohorts, conditions, fields, origins, times
from monitor.ingest.formats import Formats
from monitor.ingest.identity import Identities, combined
from monitor.ingest.json_records import TIME_TYPE, TYPES, Fault, Leaf, MappingRefused, Tree, Use, gathered
from monitor.ingest.mapping import ORGANIC, PREDICTIONS, CohortField, CohortHash, Each, EventMapping, FieldSpec, Kind
from monitor.ingest.reasons import ALLOWED, TIME_ALLOWED, dotted

ITEMS = "items"
"""Name of the ragged column."""
BESIDE_EVERY = 16
"""Of the records that `where` leaves out, those whose offset is a multiple of this have their time read."""
EVENT = "event"
"""Name of the column by which an outcome is recognised when it comes twice."""
_NOBODY = "is absent, null or empty, but an organic outcome needs it"


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a block's records: `len(rows) + len(rejects) + filtered + tombstones` of them.

    rows       in offset order.
    rejects    in offset order.
    filtered   how many were not ours.
    withdrawn  hashes of the tombstones' keys, comparable with a column read from the same text; 0 for no or a binary key.
    beside     offsets (ascending) and event times, ms, of one filtered record in `BESIDE_EVERY`, as far as they can be read:
               how far the topic has come where nothing of it is ours.
    """

    rows: Columns
    rejects: list[Reject]
    filtered: int
    withdrawn: Hashes
    beside: tuple[Ints, Ints]

    @property
    def tombstones(self) -> int:
        """How many records had no value."""
        return len(self.withdrawn)


def compile_mapping(mapping: EventMapping, hash_key: bytes) -> Decoder:
    """A decoder for one stream. `hash_key` keys the identities: at most 64 bytes, else ValueError. Raises `MappingRefused`."""
    return Decoder(mapping, hash_key)


class Decoder:
    """Decodes blocks of one mapping's topic. Holds nothing between blocks; `decode` never raises for what a record holds."""

    def __init__(self, mapping: EventMapping, hash_key: bytes) -> None:
        if isinstance(mapping.cohort, CohortHash) and not mapping.unit:
            raise MappingRefused("cohort: a hash rule needs the path of the unit")
        if mapping.origin is not None and not mapping.unit:
            raise MappingRefused("origin: organic outcomes need the path of the unit")
        own = [ITEMS] * (mapping.items is not None) + [ORGANIC] * (mapping.origin is not None)
        _refuse_twice([spec.name for spec in mapping.fields] + own)
        self.mapping = mapping
        Identities(hash_key)  # refuses a key that is too long, now rather than at the first record
        self._key = hash_key
        tree = Tree()
        self._where = [
            (tree.add(Use("where", condition.path, Any)), conditions.compiled(condition)) for condition in mapping.where
        ]
        self._time = _Read.of(tree, Use("time", mapping.time, TIME_TYPE, TIME_ALLOWED)) if mapping.time else None
        self._unit = _Read.of(tree, _use("unit", mapping.unit, Kind.HASH)) if mapping.unit else None
        rule = mapping.cohort
        self._arm = tree.add(Use("cohort", rule.path, Any)) if isinstance(rule, CohortField) else None
        self._origin = None if mapping.origin is None else tree.add(Use("origin", mapping.origin.path, Any))
        self._fields = [_Field.of(tree, spec) for spec in mapping.fields]
        self._items = None if mapping.items is None else _Items(tree, mapping.items, mapping.max_items)
        self._formats = Formats(tree, mapping.where)

    def decode(self, block: Block) -> Decoded:
        """Every record of the block: a row, a reject, filtered or a tombstone."""
        identities = Identities(self._key)
        faults: dict[int, Fault] = {}
        withdrawn: list[int] = []
        rows, at, filtered = self._records(block, faults, withdrawn)
        others: dict[int, Any] = {}
        for leaf, met in self._where:
            kept = [row for row, value in enumerate(gathered(rows, leaf.attribute)) if met(value)]
            if len(kept) < len(rows):
                filtered += len(rows) - len(kept)
                others.update(
                    {at[row]: rows[row] for row in range(len(rows)) if not block.offsets[at[row]] % BESIDE_EVERY}
                )
                rows, at = [rows[row] for row in kept], [at[row] for row in kept]
        for place in at:
            others.pop(place, None)
        columns, wrong = self._columns(block, rows, np.array(at, np.intp), identities)
        if wrong:
            columns = fields.without(columns, list(wrong))
            faults.update({at[row]: fault for row, fault in wrong.items()})
        if self.mapping.stream != PREDICTIONS:
            columns = columns.having(**{EVENT: self._events(columns, identities)})
        keys = [None if block.keys is None else _key_text(block.keys[place]) for place in withdrawn]
        rejects = [self._reject(block, place, faults[place]) for place in sorted(faults)]
        return Decoded(columns, rejects, filtered, identities.column(keys), self._beside(block, others))

    def _beside(self, block: Block, others: Mapping[int, Any]) -> tuple[Ints, Ints]:
        places = np.array(sorted(others), np.intp)
        wrong: dict[int, Fault] = {}
        time = self._times(block, [others[place] for place in places.tolist()], places, wrong)
        read = np.array([row not in wrong for row in range(len(places))], np.bool_)
        return block.offsets[places][read], time[read]

    def _records(
        self, block: Block, faults: dict[int, Fault], withdrawn: list[int]
    ) -> tuple[list[Any], list[int], int]:
        """Typed records and their places in the block, and how many were filtered; fills in the other two."""
        formats, longest, headers = self._formats, self.mapping.max_bytes, block.headers
        likely, other = formats.plain, formats.structured
        rows: list[Any] = []
        at: list[int] = []
        filtered = 0
        for place, body in enumerate(block.values):
            if body is None:
                withdrawn.append(place)
                continue
            if len(body) > longest:
                faults[place] = Fault("", f"the record has {len(body)} bytes; allowed: at most {longest}")
                continue
            event = None if headers is None else cloudevents.binary(headers[place])
            if event is not None:
                row = formats.binary(body, event)
            else:
                row = likely(body)
                if row is None:
                    row = other(body)
                    if row is not None:
                        likely, other = other, likely
            if row is not None:
                rows.append(row)
                at.append(place)
                continue
            fault = formats.why_not(body, event)
            if fault is None:
                filtered += 1
            else:
                faults[place] = fault
        return rows, at, filtered

    def _columns(
        self, block: Block, rows: list[Any], at: np.ndarray[Any, np.dtype[np.intp]], identities: Identities
    ) -> tuple[Columns, dict[int, Fault]]:
        n = len(rows)
        wrong: dict[int, Fault] = {}
        time = self._times(block, rows, at, wrong)
        units = [None] * n if self._unit is None else self._unit.values(rows, wrong)
        cohort: cohorts.Cohorts
        if self._arm is not None and isinstance(self.mapping.cohort, CohortField):
            cohort = cohorts.by_field(self.mapping.cohort, gathered(rows, self._arm.attribute))
        elif isinstance(self.mapping.cohort, CohortHash):
            cohort = cohorts.by_hash(self.mapping.cohort, units)
        else:
            cohort = np.full(n, Cohort.UNASSIGNED, np.int8)
        unit = identities.column(units)
        organic = None
        if self._origin is not None and self.mapping.origin is not None:
            organic = origins.organic(self.mapping.origin, gathered(rows, self._origin.attribute))
            nobody = np.flatnonzero(organic & (unit == 0)).tolist()
            _note(wrong, "unit", dotted(self.mapping.unit), dict.fromkeys(nobody, _NOBODY))
        made = {field.spec.name: field.column(rows, identities, wrong, organic) for field in self._fields}
        if organic is not None:
            made[ORGANIC] = flag(organic)
        if self._items is not None:
            made[ITEMS] = self._items.column(rows, identities, wrong)
        partition = np.full(n, block.partition, np.int32)
        return Columns(time, unit, cohort, partition, block.offsets[at], made), wrong

    def _times(
        self, block: Block, rows: list[Any], at: np.ndarray[Any, np.dtype[np.intp]], wrong: dict[int, Fault]
    ) -> Ints:
        if self._time is None:
            stamped: Ints = block.timestamps[at]
            _note(wrong, "time", "", times.believed(stamped))
            return stamped
        time, faults = times.column(self._time.values(rows, wrong), self.mapping.time_unit)
        _note(wrong, "time", dotted(self.mapping.time), faults)
        return time

    def _events(self, rows: Columns, identities: Identities) -> Hash:
        """The event's own identity where it tells one; else a hash of stream, unit, id, item and time."""
        parts = [rows.unit, rows.time.astype(np.uint64)]
        for name in ("id", "item"):
            told = rows.fields.get(name)
            if isinstance(told, Hash):
                parts.append(told.values)
            elif isinstance(told, Category):
                parts.append(identities.column([*told.labels, None])[told.codes])
        derived = combined(identities.of(self.mapping.stream), parts)
        own = rows.fields.get(EVENT)
        return Hash(np.where(own.values == 0, derived, own.values) if isinstance(own, Hash) else derived)

    def _reject(self, block: Block, place: int, fault: Fault) -> Reject:
        return Reject(
            topic=block.topic,
            partition=block.partition,
            offset=int(block.offsets[place]),
            timestamp=int(block.timestamps[place]),
            reason=fault.reason,
            field=fault.field,
            raw=block.values[place] if self.mapping.keep_raw else None,
        )


@dataclass(frozen=True, slots=True)
class _Read:
    """One reader of one leaf."""

    leaf: Leaf
    use: Use

    @classmethod
    def of(cls, tree: Tree, use: Use) -> _Read:
        return cls(tree.add(use), use)

    def values(self, rows: list[Any], wrong: dict[int, Fault]) -> list[Any]:
        values = gathered(rows, self.leaf.attribute)
        if self.leaf.contested:
            values, faults = fields.narrowed(values, self.use)
            _note(wrong, self.use.field, dotted(self.use.path), faults)
        return values


@dataclass(frozen=True, slots=True)
class _Field:
    """One column and where its values come from: a leaf, or nowhere (a constant, or nothing at all)."""

    spec: FieldSpec
    label: str
    read: _Read | None

    @classmethod
    def of(cls, tree: Tree, spec: FieldSpec, *, element: bool = False) -> _Field:
        fields.refuse_unfit(spec)
        told = spec.constant is not None or spec.default is not None
        valued = bool(spec.path) or (element and not told)
        if spec.required and not valued and not told:
            raise MappingRefused(f"{spec.name}: required, but the mapping gives neither a path nor a constant")
        label = f"{ITEMS}.{spec.name}" if element else spec.name
        return cls(spec, label, _Read.of(tree, _use(label, spec.path, spec.kind)) if valued else None)

    def column(
        self, rows: list[Any], identities: Identities, wrong: dict[int, Fault], excused: Bools | None = None
    ) -> Column:
        values = [self.spec.constant] * len(rows) if self.read is None else self.read.values(rows, wrong)
        made, faults = fields.column(self.spec, values, identities, excused)
        if faults:
            _note(wrong, self.label, dotted(self.spec.path), faults)
        return made


class _Items:
    """The ragged column. A field of the elements with neither path nor constant is the element itself."""

    def __init__(self, tree: Tree, each: Each, longest: int) -> None:
        self._each = each
        self._longest = longest
        _refuse_twice([spec.name for spec in each.fields])
        inside = Tree()
        self._fields = []
        for spec in each.fields:
            if spec.kind is Kind.VECTOR:
                raise MappingRefused(
                    f"{ITEMS}.{spec.name}: an item holds no vectors; allowed: hash, number, flag, category"
                )
            self._fields.append(_Field.of(inside, spec, element=True))
        inside.compile()
        self._leaf = tree.add_list(Use(ITEMS, each.path, list, "a list of items"), inside)

    def column(self, rows: list[Any], identities: Identities, wrong: dict[int, Fault]) -> Ragged:
        lists = gathered(rows, self._leaf.attribute)
        lengths = np.fromiter((0 if told is None else len(told) for told in lists), np.int64, len(lists))
        many = np.flatnonzero(lengths > self._longest)
        if len(many):
            found = {int(row): f"holds {lengths[row]} items; allowed: at most {self._longest}" for row in many}
            _note(wrong, ITEMS, dotted(self._each.path), found)
            lists = [None if row in found else told for row, told in enumerate(lists)]
            lengths[many] = 0
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        elements = list(chain.from_iterable(told for told in lists if told))
        broken: dict[int, Fault] = {}
        made = {field.spec.name: field.column(elements, identities, broken) for field in self._fields}
        for element, fault in sorted(broken.items()):
            owner = int(np.searchsorted(starts, element, side="right")) - 1
            where = f"element {element - int(starts[owner])} of {dotted(self._each.path)}"
            wrong.setdefault(owner, Fault(fault.field, f"{where}: {fault.reason}"))
        return Ragged(starts, made)  # type: ignore[arg-type]  # no field is a vector or ragged


def _use(field: str, path: tuple[str, ...], kind: Kind) -> Use:
    return Use(field, path, TYPES[kind], ALLOWED[kind])


def _note(wrong: dict[int, Fault], field: str, subject: str, faults: fields.Faults) -> None:
    for row, what in faults.items():
        wrong.setdefault(row, Fault(field, f"{subject} {what}".lstrip()))


def _refuse_twice(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise MappingRefused(f"{name}: named twice; allowed: each column once")


def _key_text(key: bytes | None) -> str | int | None:
    """A record's key as an identity: text as it is, or the text or integer that it spells in JSON."""
    try:
        return None if key is None else msgspec.json.decode(key, type=str | int)
    except msgspec.MsgspecError:
        pass
    except (UnicodeDecodeError, RecursionError):
        return None
    try:
        return (key or b"").decode()
    except UnicodeDecodeError:
        return None
