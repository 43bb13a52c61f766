"""One stream for all: written once, replayed once from files, produced once to Kafka."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from monitor.simulate import open_bandit
from tests.e2e import streams
from tests.servers.webhook import Webhook, webhook

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster


@pytest.fixture(scope="session")
def planted() -> open_bandit.Stream:
    """A stream with a harm to the exposed that is surely found, and surely over."""
    return open_bandit.resampled(streams.SEED, streams.IMPRESSIONS, plant=streams.PLANT)


@pytest.fixture(scope="session")
def replayed(planted: open_bandit.Stream, tmp_path_factory: pytest.TempPathFactory) -> streams.Replayed:
    """What the engine finds in the stream when nothing happens to it."""
    folder = tmp_path_factory.mktemp("replayed")
    return streams.Replayed(folder, streams.told(folder, planted))


@pytest.fixture(scope="session")
def topics(kafka_cluster: KafkaCluster, planted: open_bandit.Stream) -> streams.Topics:
    """The stream in real topics."""
    return streams.produced(kafka_cluster, planted)


@pytest.fixture
def receiver() -> Iterator[Webhook]:
    """Where messages are sent."""
    with webhook() as server:
        yield server
