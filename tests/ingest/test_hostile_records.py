"""Records that a broker accepts and no honest producer would write: each is read, and none stops what comes after it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from monitor.events import Block
from monitor.ingest.via_kafka import KafkaAccess, KafkaReading, KafkaSource
from monitor.ingest.via_kafka.record_format import records

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster

POLLS = 80


class Unspeakable(str):
    """A header's name whose bytes are no UTF-8."""

    __slots__ = ()

    def encode(self, _encoding: str = "", _errors: str = "") -> bytes:
        return b"ce_\xff\xfe"


def zigzag(number: int) -> bytes:
    coded = (number << 1) ^ (number >> 63)
    out = bytearray()
    while coded > 127:
        out.append(coded & 127 | 128)
        coded >>= 7
    return bytes([*out, coded])


def record(elapsed: int = 0, headers: bytes = b"\0") -> bytes:
    body = b"\0" + zigzag(elapsed) + zigzag(0) + zigzag(-1) + zigzag(1) + b"v" + headers
    return zigzag(len(body)) + body


@pytest.mark.parametrize("elapsed", [(1 << 63) - 1, -(1 << 63)])
def test_a_time_beyond_64_bits_wraps_and_stays_a_time(elapsed: int) -> None:
    ((_, stamp, *_),) = records(record(elapsed), 1, 0, 2**40 if elapsed > 0 else -(2**40), None)
    assert -(1 << 63) <= stamp < 1 << 63


def test_the_name_of_a_header_may_be_any_bytes() -> None:
    named = zigzag(1) + zigzag(2) + b"\xff\n" + zigzag(1) + b"h"
    ((*_, headers),) = records(record(headers=named), 1, 0, 0, None)
    assert headers == (("\\xff\n", b"h"),)


@pytest.mark.kafka
def test_a_header_whose_name_is_no_text_does_not_stop_the_partition(kafka_cluster: KafkaCluster) -> None:
    topic = kafka_cluster.create_topic(f"topic-{uuid.uuid4().hex[:12]}")
    kafka_cluster.produce(topic, [b"1", b"2"], headers=[[(Unspeakable("name"), b"x")], []])
    kafka_cluster.produce(topic, [b"3"])
    source = KafkaSource(KafkaReading(KafkaAccess(tuple(kafka_cluster.bootstrap)), (topic,), start="earliest"))
    blocks: list[Block] = []
    for _ in range(POLLS):
        blocks += source.poll(100, 200)
        if sum(map(len, blocks)) == 3:
            break
    source.close()
    assert [value for block in blocks for value in block.values] == [b"1", b"2", b"3"]
    assert next(names for block in blocks for names in block.headers or ()) == (("ce_\\xff\\xfe", b"x"),)
