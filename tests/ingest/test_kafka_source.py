"""What the Kafka source promises beyond the contract of all sources: against a real broker."""

from __future__ import annotations

import contextlib
import gc
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import SecretStr

from monitor.events import Block, TopicPartition
from monitor.ingest.gap import Gap, GapReason
from monitor.ingest.source import SourceError, SourceRefused, SourceUnavailable
from monitor.ingest.via_kafka import KafkaAccess, KafkaReading, KafkaSource, Sasl, Tls

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.filterwarnings("ignore:unclosed <s:ResourceWarning"),  # the client's, where it could not connect
]

POLLS = 80
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@pytest.fixture(autouse=True)
def _sockets_are_collected_here() -> Iterator[None]:
    """Failed connections of the client wait for the collector; without this their warnings hit other tests."""
    yield
    gc.collect()


@pytest.fixture
def topic(kafka_cluster: KafkaCluster) -> str:
    return kafka_cluster.create_topic(f"topic-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def opened(kafka_cluster: KafkaCluster) -> Iterator[Callable[..., KafkaSource]]:
    sources = []

    def make(topic: str, access: KafkaAccess | None = None, **settings: Any) -> KafkaSource:
        access = access or KafkaAccess(tuple(kafka_cluster.bootstrap))
        source = KafkaSource(KafkaReading(access, (topic,), **({"start": "earliest"} | settings)))
        sources.append(source)
        return source

    yield make
    for source in sources:
        source.close()


def blocks(source: KafkaSource, count: int) -> list[Block]:
    """Blocks with `count` records in all; fails if they do not come."""
    found: list[Block] = []
    for _ in range(POLLS):
        found += source.poll(1000, 500)
        if sum(map(len, found)) >= count:
            return found
    pytest.fail(f"{sum(map(len, found))} of {count} records after {POLLS} polls")


def values(source: KafkaSource, count: int) -> list[bytes | None]:
    return [value for block in blocks(source, count) for value in block.values]


def poll_until_it_fails(source: KafkaSource) -> None:
    for _ in range(POLLS):
        source.poll(10, 100)


def settle(source: KafkaSource) -> None:
    """Poll until partitions are assigned and their positions known."""
    for _ in range(POLLS):
        if source.positions().keys() >= source.partitions() != frozenset():
            return
        source.poll(1, 100)
    pytest.fail("no partitions were assigned")


def refusal(source: KafkaSource) -> str:
    with pytest.raises(SourceRefused) as caught:
        source.poll(1, 100)
    return str(caught.value)


def numbers(start: int, end: int) -> list[bytes]:
    return [b"%d" % i for i in range(start, end)]


def test_a_broker_that_is_down_is_unavailable_and_the_constructor_does_not_ask_it() -> None:
    from tests.servers.kafka import free_ports

    broker = f"127.0.0.1:{free_ports(1)[0]}"
    source = KafkaSource(KafkaReading(KafkaAccess((broker,)), ("t",), connect_timeout_ms=200))
    with pytest.raises(SourceUnavailable, match=f"Kafka broker {broker} cannot be reached: Connection refused"):
        source.poll(1, 10)
    source.close()


def test_a_topic_that_does_not_exist_is_refused_by_name_and_read_once_it_does(
    kafka_cluster: KafkaCluster, opened: Callable[..., KafkaSource]
) -> None:
    name = f"later-{uuid.uuid4().hex[:8]}"
    source = opened(name)
    assert f"has no topic '{name}'" in refusal(source)
    kafka_cluster.create_topic(name)
    kafka_cluster.produce(name, [b"1"])
    assert values(source, 1) == [b"1"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_user_with_the_right_password_reads(
    mechanism: Mechanism, kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    kafka_cluster.produce(topic, [b"1"])
    sasl = Sasl(mechanism, "reader", SecretStr(kafka_cluster.password))
    assert values(opened(topic, KafkaAccess(tuple(kafka_cluster.sasl_bootstrap), sasl=sasl)), 1) == [b"1"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_a_wrong_password_is_refused_without_being_told(
    mechanism: Mechanism, kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    access = KafkaAccess(
        tuple(kafka_cluster.sasl_bootstrap), sasl=Sasl(mechanism, "reader", SecretStr("not-the-password"))
    )
    words = refusal(opened(topic, access))
    assert f"refused the user or the password (user 'reader', {mechanism})" in words
    assert "not-the-password" not in words + repr(access)


def test_a_mechanism_that_is_not_offered_is_refused(
    kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    sasl = Sasl("OAUTHBEARER", token=lambda: SecretStr("a-token"))
    assert "SASL mechanism" in refusal(opened(topic, KafkaAccess(tuple(kafka_cluster.sasl_bootstrap), sasl=sasl)))


def test_tls_with_a_trusted_certificate_reads(
    kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    kafka_cluster.produce(topic, [b"1"])
    access = KafkaAccess(tuple(kafka_cluster.tls_bootstrap), tls=Tls(kafka_cluster.authority))
    assert values(opened(topic, access), 1) == [b"1"]


def test_a_certificate_that_is_not_trusted_is_refused(
    kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    source = opened(topic, KafkaAccess(tuple(kafka_cluster.tls_bootstrap), tls=Tls()), connect_timeout_ms=300)
    assert "is not trusted: self-signed certificate" in refusal(source)


def test_tls_on_a_port_without_it_is_refused(
    kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    access = KafkaAccess(tuple(kafka_cluster.bootstrap), tls=Tls(kafka_cluster.authority))
    assert "no TLS with Kafka broker" in refusal(opened(topic, access, connect_timeout_ms=300))


def test_clear_text_on_a_tls_port_is_answered_with_a_hint(
    kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    source = opened(topic, KafkaAccess(tuple(kafka_cluster.tls_bootstrap)), connect_timeout_ms=300)
    with pytest.raises(SourceError, match="does it want TLS"):
        source.poll(1, 100)


def test_a_file_of_authorities_that_cannot_be_read_is_named(tmp_path: Path, opened: Callable[..., KafkaSource]) -> None:
    access = KafkaAccess(("127.0.0.1:1",), tls=Tls(tmp_path / "absent.pem"))
    assert "absent.pem" in refusal(opened("t", access))


def test_latest_begins_behind_what_is_there(
    kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    kafka_cluster.produce(topic, numbers(0, 5))
    source = opened(topic, start="latest")
    settle(source)
    assert source.positions() == {TopicPartition(topic, 0): 5}
    kafka_cluster.produce(topic, numbers(5, 7))
    assert values(source, 2) == numbers(5, 7)


@pytest.mark.parametrize(("start", "first"), [(1_500, 1), (2_000, 1), (2_001, 2), (9_000, 3)])
def test_a_time_begins_at_the_first_record_of_that_time_or_later(
    start: int, first: int, kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    kafka_cluster.produce(topic, numbers(0, 3), timestamps=[1_000, 2_000, 3_000])
    source = opened(topic, start=start)
    source.pause([TopicPartition(topic, 0)])
    settle(source)
    assert source.positions() == {TopicPartition(topic, 0): first}
    source.pause([])
    assert values(source, 3 - first) == numbers(first, 3)


def test_a_partition_that_a_topic_gains_later_is_read_from_its_first_record(
    kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    kafka_cluster.produce(topic, numbers(0, 3))
    source = opened(topic, start="latest")
    settle(source)
    kafka_cluster.add_partitions(topic, 2)
    kafka_cluster.produce(topic, [b"new"], partition=1)
    source._consumer._cluster.request_update()
    assert values(source, 1) == [b"new"]


@pytest.fixture(params=["own parser", "client's parser"])
def own_parser(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "own parser")


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
def test_keys_headers_tombstones_and_times_arrive_unchanged_in_every_compression(
    codec: str | None, own_parser: bool, kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    bodies: list[bytes | None] = [b"x" * 70_000, None, b"", b"{}"]
    keys: Sequence[bytes | None] = [b"k", b"gone", None, b""]
    headers: Sequence[list[tuple[str, bytes]]] = [[("a", b"1"), ("ü", b"")], [], [], [("a", b"\x00\xff")]]
    times = [1_700_000_000_000, 1_699_999_999_999, 1_700_000_100_000, 0]
    kafka_cluster.produce(
        topic, bodies, keys=keys, headers=headers, timestamps=times, compression_type=codec, linger_ms=50
    )
    found = blocks(opened(topic, own_parser=own_parser), 4)
    assert [value for block in found for value in block.values] == bodies
    assert [key for block in found for key in block.keys or ()] == keys
    assert [list(each) for block in found for each in block.headers or [()] * len(block)] == headers
    assert [int(time) for block in found for time in block.timestamps] == times
    assert [int(offset) for block in found for offset in block.offsets] == [0, 1, 2, 3]


def test_headers_are_none_where_no_record_has_any(
    own_parser: bool, kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    kafka_cluster.produce(topic, numbers(0, 2))
    assert blocks(opened(topic, own_parser=own_parser), 2)[0].headers is None


def test_the_broker_s_time_replaces_the_producer_s_where_the_topic_says_so(
    own_parser: bool, kafka_cluster: KafkaCluster, opened: Callable[..., KafkaSource]
) -> None:
    name = kafka_cluster.create_topic(
        f"appended-{uuid.uuid4().hex[:8]}", config={"message.timestamp.type": "LogAppendTime"}
    )
    kafka_cluster.produce(name, numbers(0, 2), timestamps=[1_000, 2_000])
    assert min(blocks(opened(name, own_parser=own_parser), 2)[0].timestamps) > 1_600_000_000_000


def test_records_of_aborted_transactions_are_left_out_and_control_records_passed_over(
    own_parser: bool, kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    from kafka import KafkaProducer  # type: ignore[import-untyped]  # ships no types

    with KafkaProducer(
        bootstrap_servers=kafka_cluster.bootstrap, transactional_id=f"t-{uuid.uuid4().hex[:8]}"
    ) as producer:
        producer.init_transactions()
        for body, end in ((b"kept", "commit"), (b"dropped", "abort"), (b"kept too", "commit"), (b"lost", "abort")):
            producer.begin_transaction()
            producer.send(topic, body, partition=0)
            producer.flush()
            getattr(producer, f"{end}_transaction")()
    source = opened(topic, own_parser=own_parser)
    assert values(source, 2) == [b"kept", b"kept too"]
    assert not source.poll(10, 300)
    assert source.positions() == {TopicPartition(topic, 0): 8}
    assert source.behind() == {TopicPartition(topic, 0): 0}


def test_a_seek_into_a_compressed_batch_starts_exactly_there(
    own_parser: bool, kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    kafka_cluster.produce(topic, numbers(0, 500), compression_type="lz4", linger_ms=200, batch_size=100_000)
    source = opened(topic, own_parser=own_parser)
    source.seek({TopicPartition(topic, 0): 321})
    assert values(source, 179) == numbers(321, 500)


def test_a_killed_broker_is_unavailable_and_reading_goes_on_when_it_is_back(
    kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    kafka_cluster.produce(topic, numbers(0, 10))
    source = opened(topic)
    assert values(source, 10) == numbers(0, 10)
    kafka_cluster.kill()
    with pytest.raises(SourceUnavailable, match="cannot be reached: Connection refused"):
        poll_until_it_fails(source)
    kafka_cluster.restart()
    kafka_cluster.produce(topic, numbers(10, 15))
    found: list[bytes | None] = []
    for _ in range(POLLS):
        try:
            found += [value for block in source.poll(100, 500) for value in block.values]
        except SourceUnavailable:
            continue
        if len(found) >= 5:
            break
    assert found == numbers(10, 15)


def test_a_topic_that_was_deleted_and_created_anew_is_a_reset(
    kafka_cluster: KafkaCluster, topic: str, opened: Callable[..., KafkaSource]
) -> None:
    kafka_cluster.produce(topic, numbers(0, 10))
    first = opened(topic)
    values(first, 10)
    at = TopicPartition(topic, 0)
    position = first.positions()[at]
    first.close()
    kafka_cluster.delete_topic(topic)
    kafka_cluster.create_topic(topic)
    kafka_cluster.produce(topic, [b"anew"])
    second = opened(topic)
    second.seek({at: position})
    assert values(second, 1) == [b"anew"]
    assert second.gaps() == [Gap(topic, 0, 10, 0, GapReason.RESET)]


def test_a_topic_made_anew_while_nobody_read_it_is_a_reset_even_if_it_grew_past_the_old_position(
    kafka_cluster: KafkaCluster, opened: Callable[..., KafkaSource]
) -> None:
    name = kafka_cluster.create_topic(f"anew-{uuid.uuid4().hex[:8]}", partitions=2)
    for partition in (0, 1):
        kafka_cluster.produce(name, numbers(0, 10), partition=partition)
    first = opened(name)
    values(first, 20)
    positions, identities = first.positions(), first.identities()
    assert identities.keys() == {name}
    first.close()
    same = opened(name)
    same.seek(positions, identities)
    assert not same.poll(100, 500)
    assert same.gaps() == []
    same.close()
    kafka_cluster.delete_topic(name)
    kafka_cluster.create_topic(name)
    kafka_cluster.produce(name, numbers(100, 130))
    second = opened(name)
    second.seek(positions, identities)
    assert values(second, 30) == numbers(100, 130)
    assert second.gaps() == [Gap(name, each, 10, 0, GapReason.RESET) for each in (0, 1)], (
        "also of the partition it lacks"
    )
    assert second.identities() != identities
    second.seek(positions, identities)
    assert values(second, 30) == numbers(100, 130), "a turn that was thrown away finds the gap again"
    assert second.gaps() == [Gap(name, 0, 10, 0, GapReason.RESET), Gap(name, 1, 10, 0, GapReason.RESET)]


def test_a_topic_made_anew_while_it_is_read_is_a_reset_even_if_it_grew_past_the_old_position(
    kafka_cluster: KafkaCluster, opened: Callable[..., KafkaSource]
) -> None:
    name = kafka_cluster.create_topic(f"anew-{uuid.uuid4().hex[:8]}")
    kafka_cluster.produce(name, numbers(0, 10))
    source = opened(name)
    values(source, 10)
    kafka_cluster.delete_topic(name)
    with pytest.raises(SourceUnavailable, match=f"has no topic '{name}' any more; waiting for it to come back"):
        poll_until_it_fails(source)
    kafka_cluster.create_topic(name)
    kafka_cluster.produce(name, numbers(100, 130))
    found: list[bytes | None] = []
    for _ in range(POLLS):
        with contextlib.suppress(SourceUnavailable):
            found += [value for block in source.poll(100, 500) for value in block.values]
        if len(found) >= 30:
            break
    assert found == numbers(100, 130)
    assert source.gaps() == [Gap(name, 0, 10, 0, GapReason.RESET)]


def test_other_readers_of_a_topic_take_nothing_away(
    kafka_cluster: KafkaCluster, opened: Callable[..., KafkaSource]
) -> None:
    name = kafka_cluster.create_topic(f"shared-{uuid.uuid4().hex[:8]}", partitions=2)
    for partition in (0, 1):
        kafka_cluster.produce(name, numbers(0, 5), partition=partition)
    first, second = opened(name), opened(name)
    assert sorted(map(str, values(first, 10))) == sorted(map(str, values(second, 10)))
    assert first.partitions() == second.partitions() == {TopicPartition(name, 0), TopicPartition(name, 1)}
    second.close()
    for partition in (0, 1):
        kafka_cluster.produce(name, numbers(5, 8), partition=partition)
    assert sorted(map(str, values(first, 6))) == sorted(map(str, numbers(5, 8) * 2))


def test_a_source_that_was_closed_says_so(topic: str, opened: Callable[..., KafkaSource]) -> None:
    source = opened(topic)
    source.close()
    assert refusal(source) == "the Kafka source is closed"


def test_a_reading_without_topics_or_from_before_the_epoch_is_refused() -> None:
    reading = KafkaReading(KafkaAccess(("127.0.0.1:1",)), ("t",))
    with pytest.raises(ValueError, match="at least one broker and one topic"):
        replace(reading, topics=())
    with pytest.raises(ValueError, match="start is -1"):
        replace(reading, start=-1)


def test_oauthbearer_needs_a_token_and_only_oauthbearer_takes_one() -> None:
    with pytest.raises(ValueError, match="a token belongs to the SASL mechanism OAUTHBEARER"):
        Sasl("OAUTHBEARER", "user")
    with pytest.raises(ValueError, match="and to no other"):
        Sasl("PLAIN", "user", token=lambda: SecretStr("t"))
