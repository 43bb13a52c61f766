"""What must hold for any bytes, one function a promise: each takes bytes and raises if the promise is broken.

decode    a record ends as exactly one of row, dead letter, filtered, tombstone, and leaves no trace in the record after it.
mapping   a mapping is compiled, or refused in words; one that is compiled keeps the promise of `decode`.
join      rows of any numbers are joined, whatever their order.
config    a text is a config, or is refused with sentences of one line each; what is a config can be run.
engine    a model's whole turn takes any events among good ones; where all of them are dead letters, and fewer than the model's
          limit of rejects, findings, alerts and messages are as if they had never been.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from detectors.columns import Cohort, Columns, Hash, Numeric
from detectors.rejects import RejectsParams
from monitor.app import read_config
from monitor.engine import Engine
from monitor.events import Block, TopicPartition
from monitor.ingest.cloudevents import SPECVERSION
from monitor.ingest.decode import Decoded, Decoder, compile_mapping
from monitor.ingest.json_records import MappingRefused
from monitor.ingest.mapping import (
    CohortField,
    CohortHash,
    Condition,
    Each,
    EventMapping,
    FieldSpec,
    Kind,
    OriginField,
    TimeUnit,
)
from monitor.join.joiner import Match, Window, join
from monitor.settings import ConfigErrors
from monitor.testing import Contents, Told, run_over
from monitor.watch.plan import ModelPlan, RejectLimit
from tests.engine.shop import ARRIVALS, START, contents, shop_events, shop_plan, with_watches
from tests.ingest.decode_cases import KEY, MAPPING, body

LONGEST_REASON = 400

T = TypeVar("T")

Headers = Sequence[tuple[str, bytes]]

_BINARY: Headers = (("ce_specversion", SPECVERSION.encode()), ("ce_id", b"1"), ("ce_\u202e", b"\xff"))
_HEADERS: tuple[Headers, ...] = ((), _BINARY)


# decode


def decode(data: bytes) -> None:
    """The first byte chooses mapping and headers, the rest is the record."""
    which, value = data[:1] or b"\0", data[1:]
    decoders = _decoders()
    _one_end(decoders[which[0] % len(decoders)], value, _HEADERS[which[0] // len(decoders) % 2])


@functools.cache
def _decoders() -> tuple[Decoder, ...]:
    by_hash = replace(MAPPING, cohort=CohortHash("salt", 0.5), time=(), items=None, where=())
    fields = (FieldSpec("event", Kind.HASH, ("ce", "id")), FieldSpec("id", Kind.HASH, ("id",), required=True))
    outcome = EventMapping(
        "feed",
        "click",
        MAPPING.topic,
        time=("ts",),
        time_unit=TimeUnit.SECONDS,
        unit=("user", "id"),
        fields=fields,
        origin=OriginField(("kind",), ("search", "1")),
    )
    return tuple(compile_mapping(mapping, KEY) for mapping in (MAPPING, by_hash, outcome))


def _one_end(decoder: Decoder, value: bytes, headers: Headers) -> None:
    good = body()
    alone, both = _decoded(decoder, [good], [()]), _decoded(decoder, [value, good], [headers, ()])
    for result, count in ((alone, 1), (both, 2)):
        assert len(result.rows) + len(result.rejects) + result.filtered + result.tombstones == count, result
    for told in both.rejects:
        assert told.reason, told
        assert told.reason.isprintable(), told
        assert len(told.reason) <= LONGEST_REASON, told
        assert told.raw in (None, (value, good)[told.offset]), told
    if len(alone.rows) and both.rejects:
        assert [r.offset for r in both.rejects] == [0]
        assert repr(both.rows.take(np.array([len(both.rows) - 1])).fields) == repr(alone.rows.fields)


def _decoded(decoder: Decoder, values: Sequence[bytes], headers: Sequence[Headers]) -> Decoded:
    n = len(values)
    ends = np.arange(2 - n, 2, dtype=np.int64)
    block = Block(
        MAPPING.topic, 0, values, ends, np.full(n, START, np.int64), 2, headers=headers if any(headers) else None
    )
    return decoder.decode(block)


# mapping

_KINDS = tuple(Kind)
_COLUMNS = ("id", "event", "item", "a", "items", "features.b")
_KEYS = ("id", "event", "item", "a", "", "items", "time", '"', "\\", "\n", "\u202e", "ce", "\ud800")
_CONSTANTS = (None, None, None, 0, 1, -1, 2.5, 1e308, True, False, "", "x", "\x00")


def mapping(data: bytes) -> None:
    """A mapping drawn from the bytes; what is left of them is a record."""
    draw = Draw(data)
    drawn = EventMapping(
        model="m",
        stream=draw.one_of(("predictions", "click")),
        topic="t",
        time=draw.path(),
        time_unit=draw.one_of(tuple(TimeUnit)),
        unit=draw.path(),
        cohort=draw.one_of((None, CohortField(draw.path(), (("x", Cohort.HOLDOUT),)), CohortHash("s", 0.1))),
        fields=draw.fields(),
        items=draw.one_of((None, Each(draw.path(), draw.fields()))),
        where=draw.one_of(((), (Condition(draw.path(), draw.one_of(((), ("x", None, 1)))),))),
        keep_raw=draw.one_of((True, False)),
        max_bytes=draw.one_of((100, 1_000_000)),
        max_items=draw.one_of((1, 1_000)),
    )
    try:
        decoder = compile_mapping(drawn, KEY)
    except MappingRefused as refused:
        _one_line(str(refused))
        return
    _one_end(decoder, draw.rest(), _HEADERS[draw.byte() % 2])


class Draw:
    """Choices drawn from bytes, zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def byte(self) -> int:
        """The next byte."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def number(self) -> float:
        """The next eight bytes as a float, whatever it is."""
        self._at += 8
        (drawn,) = struct.unpack("<d", self._data[self._at - 8 : self._at].ljust(8, b"\0"))
        return float(drawn)

    def one_of(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[self.byte() % len(choices)]

    def path(self) -> tuple[str, ...]:
        """At most three keys."""
        return tuple(self.one_of(_KEYS) for _ in range(self.byte() % 4))

    def fields(self) -> tuple[FieldSpec, ...]:
        """At most five columns."""
        return tuple(
            FieldSpec(
                self.one_of(_COLUMNS),
                self.one_of(_KINDS),
                self.path(),
                self.one_of(_CONSTANTS),
                self.one_of(_CONSTANTS),
                self.one_of((True, False)),
            )
            for _ in range(self.byte() % 6)
        )

    def rest(self) -> bytes:
        """What is left."""
        return self._data[self._at :]


# join

_TIMES = (START, START + 1, START + 60_000, 946_684_800_000, 7_258_118_399_999, -1, 0)


def join_rows(data: bytes) -> None:
    """Predictions, later predictions and outcomes drawn from the bytes."""
    draw = Draw(data)
    match = draw.one_of(tuple(Match))
    window = Window(within=draw.one_of((0, 1, 60_000, 3_024_000_000)), early=draw.one_of((0, 120_000)))
    predictions, later, outcomes = (_rows(draw) for _ in range(3))
    joined = join(match, window, predictions, later, outcomes)
    assert joined.count.shape == joined.total.shape == (len(predictions),)
    assert joined.count.min(initial=0) >= 0
    assert joined.used <= len(outcomes)
    turned = join(match, window, predictions, later, outcomes.take(np.arange(len(outcomes))[::-1]))
    assert joined.count.tolist() == turned.count.tolist()
    assert joined.total.tobytes() == turned.total.tobytes()


def _rows(draw: Draw) -> Columns:
    n = draw.byte() % 9
    small = [np.array([draw.byte() % 4 for _ in range(n)], np.uint64) for _ in range(4)]
    times = np.array([draw.one_of(_TIMES) for _ in range(n)], np.int64)
    values = np.array([draw.number() for _ in range(n)], np.float64)
    unit, identity, item, event = small
    return Columns(
        times,
        unit,
        np.zeros(n, np.int8),
        np.zeros(n, np.int32),
        np.arange(n, dtype=np.int64),
        {"id": Hash(identity), "item": Hash(item), "event": Hash(event), "value": Numeric(values)},
    )


# config


def config(data: bytes) -> None:
    """A config file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "loopwatch.yaml"
        path.write_bytes(data)
        try:
            read = read_config(path)
        except ConfigErrors as errors:
            sentences = [error.sentence for error in errors.errors]
            assert sentences
        else:
            sentences = [fault.sentence for fault in read.plans.faults]
            for plan in read.plans.models:
                Engine(plan)
    for sentence in sentences:
        _one_line(sentence)


def _one_line(sentence: str) -> None:
    assert sentence.isprintable(), sentence


# engine

_COUNTS = tuple(key for key in ARRIVALS if key.startswith("rejects."))
"""They tell how many records could not be used."""
_AT = tuple(START + n * 60_000 for n in (0, 20, 50, -30))
_SLATES, _CLICKS, _VISITS = TopicPartition("slates", 0), TopicPartition("clicks", 0), TopicPartition("visits", 0)


MOST = 20
"""Hostile events in one hour."""
_LIMIT = RejectLimit(at_most=0.5, at_least=3 * MOST)
"""With the few dead letters that the shop has anyway, all of them in one window stay below it."""


def engine(data: bytes) -> None:
    """Events between line breaks go into an hour of a shop; the first byte of each says where and when."""
    hostile = [_hostile(line) for line in data.split(b"\n")[:MOST] if line]
    told = run_over(_patient_shop(), _shop(hostile))
    told.lines()
    before = _undisturbed()
    if len(told.rejects) == len(before.rejects) + len(hostile):
        assert len(told.rejects) <= _LIMIT.at_most * _LIMIT.at_least
        assert told.without(_COUNTS).lines() == before.without(_COUNTS).lines()
        assert [a.watch for a in told.alerts] == [a.watch for a in before.alerts]


@functools.cache
def _patient_shop() -> ModelPlan:
    """The shop, with its limit."""
    plan = replace(shop_plan(), rejects=_LIMIT)
    params = RejectsParams(at_most=_LIMIT.at_most, at_least=_LIMIT.at_least)
    return with_watches(plan, (replace(w, params=params) if w.detector == "rejects" else w for w in plan.watches))


def _hostile(line: bytes) -> tuple[int, TopicPartition, bytes]:
    where, when = (_SLATES, _CLICKS, _VISITS)[line[0] % 3], _AT[line[0] // 3 % len(_AT)]
    return when, where, line[1:].replace(b"$at", str(when).encode())


def _shop(extra: Sequence[tuple[int, TopicPartition, bytes]]) -> Contents:
    """The shop's first hour; other events stay in their order."""
    return contents(sorted([*shop_events(1), *extra], key=lambda event: event[0]))


@functools.cache
def _undisturbed() -> Told:
    return run_over(_patient_shop(), _shop(()))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "decode": decode,
    "mapping": mapping,
    "join": join_rows,
    "config": config,
    "engine": engine,
}
