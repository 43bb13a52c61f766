"""Real servers for the tests that claim something about them.

Where one cannot be run, its tests are skipped with a line that says what is then not tested; with CI=true they fail.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from tests.figures import Figure, Figures, teller

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaCluster
    from tests.servers.kafka_secure import SecuredKafka
    from tests.servers.postgres import PostgresCluster

os.environ["COLUMNS"] = "160"  # tables are as wide wherever the tests run
settings.register_profile("loopwatch", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("loopwatch")  # a busy machine is no fault of the code


Kafka = TypeVar("Kafka", "KafkaCluster", "SecuredKafka")


def pytest_configure(config: pytest.Config) -> None:
    """The process that hears all reports writes down what tests measured; with several, only they run tests."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Figures(Path(config.rootpath) / "build" / "TARGET.json"), "figures")


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One process more than `-n auto` takes: tests of real servers mostly wait for them."""
    processors = yield
    return processors + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """A file stays on one process, and all of `tests/e2e`, whose one stream takes long to make."""
    from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # ships no types

    class Together(LoadFileScheduling):  # type: ignore[misc]  # likewise
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return "tests/e2e" if file.startswith("tests/e2e/") else file

    return Together(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Takes down a figure for `build/TARGET.json`."""
    return teller(record_property)


def absent(what_is_not_tested: str, why: Exception) -> NoReturn:
    """Skip, or fail in CI."""
    line = f"not tested: {what_is_not_tested}. {why}"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(line, pytrace=False)
    pytest.skip(line)


@contextmanager
def running(cluster: Kafka, otherwise_not_tested: str) -> Iterator[Kafka]:
    """A Kafka from its start to its end, however it starts."""
    from tests.servers.kafka_jars import NoKafka

    try:
        cluster.start()
        yield cluster
    except NoKafka as error:
        absent(otherwise_not_tested, error)
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def kafka_cluster() -> Iterator[KafkaCluster]:
    """One Apache Kafka broker for the whole session. Use topics of your own; a test that kills it restarts it."""
    from tests.servers.kafka import KafkaCluster

    with running(KafkaCluster(), "reading from a real Apache Kafka") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def secured_kafka() -> Iterator[SecuredKafka]:
    """One Apache Kafka with TLS, SASL and an authorizer for the whole session."""
    from tests.servers.kafka_secure import SecuredKafka

    with running(SecuredKafka(), "TLS, SASL and ACLs of a real Apache Kafka") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    """One PostgreSQL for the whole session."""
    from tests.servers.postgres import NoPostgres, PostgresCluster

    cluster = PostgresCluster(durable=False)
    try:
        cluster.start()
    except NoPostgres as error:
        absent("storing in a real PostgreSQL", error)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def postgres_url(postgres_cluster: PostgresCluster, request: pytest.FixtureRequest) -> str:
    """SQLAlchemy URL of an empty database, one for each test module."""
    module = request.node.path.stem
    return postgres_cluster.create_database(f"{module}_{os.urandom(4).hex()}")
