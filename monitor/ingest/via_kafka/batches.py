"""Fetched batches as plain tuples instead of the client's objects: three times faster, otherwise the same.

Builds on private names of kafka-python 3.0; `own_parser_fits` says whether the installed client has them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kafka  # type: ignore[import-untyped]  # ships no types
from kafka.consumer.fetcher import Fetcher  # type: ignore[import-untyped]  # ships no types
from kafka.errors import CorruptRecordError  # type: ignore[import-untyped]  # ships no types
from kafka.record.default_records import DefaultRecordBatch  # type: ignore[import-untyped]  # ships no types

from monitor.ingest.via_kafka.record_format import RawRecord, records


class PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]  # the base has no types
    """The fetched batches of one partition, as plain tuples (`RawRecord`) instead of the client's objects.

    Batches of aborted transactions and control batches are left out, as the client does when it reads what is committed.
    """

    def _maybe_skip_record(self, record: RawRecord) -> bool:
        skipped: bool = record[0] < self.fetch_offset
        return skipped

    def _unpack_records(self, tp: Any, fetched: Any, _keys: Any, _values: Any) -> Iterator[RawRecord]:
        while (batch := fetched.next_batch()) is not None:
            if self.check_crcs and not batch.validate_crc():
                raise CorruptRecordError(f"{tp.topic}[{tp.partition}], the batch at offset {batch.base_offset}")
            if batch.magic < 2:
                for record in batch:
                    self.next_fetch_offset = record.offset + 1
                    yield plain(record)
                continue
            self.leader_epoch = batch.leader_epoch
            if not self._hidden(batch):
                for row in _rows_of(batch, tp):
                    self.next_fetch_offset = row[0] + 1
                    yield row
            self.next_fetch_offset = batch.next_offset
        self.drain()

    def _hidden(self, batch: Any) -> bool:
        if batch.has_producer_id():
            self._consume_aborted_transactions_up_to(batch.last_offset)
            if self._contains_abort_marker(batch):
                self.aborted_producer_ids.discard(batch.producer_id)
            elif self._is_batch_aborted(batch):
                return True
        return bool(batch.is_control_batch)


def free_parked_records(consumer: Any) -> None:
    """Let records that were set aside while their partition was paused come again. Call it before each poll.

    The client (3.0.12) takes them up only when it has no other fetched records in hand, and forgets to let go of those that
    it has used up; then the resumed partition is silent for good.
    """
    in_hand = getattr(consumer._fetcher, "_next_partition_records", None)
    if in_hand is not None and not in_hand:
        consumer._fetcher._next_partition_records = None


def own_parser_fits() -> bool:
    """Whether the installed client has the private names that `PartitionRecords` builds on, in the version it was written for."""
    needed = ("_unpack_records", "_contains_abort_marker", "_consume_aborted_transactions_up_to", "_is_batch_aborted")
    return (
        kafka.__version__.startswith("3.0.")
        and all(hasattr(Fetcher.PartitionRecords, name) for name in needed)
        and hasattr(DefaultRecordBatch, "_maybe_uncompress")
    )


def _rows_of(batch: Any, tp: Any) -> Iterator[RawRecord]:
    try:
        batch._maybe_uncompress()
        body = bytes(memoryview(batch._buffer)[batch._pos :])
        appended = batch.max_timestamp if batch.timestamp_type == batch.LOG_APPEND_TIME else None
        yield from records(body, batch.records_count, batch.base_offset, batch.first_timestamp, appended)
    except (ValueError, IndexError) as error:
        place = f"{tp.topic}[{tp.partition}], the batch at offset {batch.base_offset}"
        raise CorruptRecordError(f"{place}: {error}") from error


def plain(record: Any) -> RawRecord:
    """A record of the client as a tuple."""
    headers = tuple((name, value or b"") for name, value in record.headers)
    return record.offset, record.timestamp, record.key, record.value, headers
