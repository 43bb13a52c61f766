"""What the world can do to a database, and what is then said and left."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from monitor.alerting.alert import Delivery, Outcome
from monitor.clock import ManualClock
from monitor.events import Reject
from monitor.store.protocols import Image, Lease, Page, Step, StoreRefused, StoreUnavailable
from monitor.store.via_sql import SqlStore, state
from tests.store.places import NOW, TTL, alert, finding, notification, own_schema

WRITTEN = ["models", "steps", "pages", "findings", "alerts", "outbox", "dead_letters"]


def full_step(number: int = 1, model: str = "feed") -> Step:
    return Step(
        model=model,
        number=number,
        pages=[Page("units", "00", b"x")],
        findings=[finding(start=number, model=model)],
        alerts=[alert(f"{model}-a", model=model)],
        outbox=[notification(f"{model}/{number}", alert=f"{model}-a", model=model)],
        rejects=[Reject(topic="t", partition=0, offset=number, timestamp=0, reason="bad")],
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "loopwatch.db"
    SqlStore.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def store(file: Path) -> Iterator[SqlStore]:
    opened = SqlStore(f"sqlite:///{file}", ManualClock(NOW))
    yield opened
    opened.close()


def held(store: SqlStore) -> Lease:
    lease = store.acquire("daemon", TTL)
    assert lease is not None
    return lease


def run(file: Path, script: str) -> None:
    connection = sqlite3.connect(file)
    connection.executescript(script)
    connection.close()


@pytest.mark.parametrize("table", WRITTEN)
def test_a_commit_stopped_at_any_table_leaves_nothing(store: SqlStore, file: Path, table: str) -> None:
    lease = held(store)
    run(file, f"CREATE TRIGGER stop BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'stopped here'); END")
    with pytest.raises(StoreRefused, match="stopped here"):
        store.commit(full_step(), lease)
    assert store.load("feed") == Image()
    assert (store.models(), store.findings("feed"), store.alerts(), store.notifications(), store.rejects("feed")) == (
        [],
    ) * 5
    run(file, "DROP TRIGGER stop")
    store.commit(full_step(), lease)
    assert store.load("feed").number == 1


def test_a_full_disk_is_unavailable_and_leaves_the_last_step(store: SqlStore) -> None:
    lease = held(store)
    store.commit(full_step(), lease)
    before = store.load("feed")
    pages = Step(model="feed", number=2, pages=[Page("units", str(each), b"x" * 4_000) for each in range(2_000)])
    with store._database.writing() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100")
    with pytest.raises(StoreUnavailable, match="disk is full"):
        store.commit(pages, lease)
    assert store.load("feed") == before


def test_the_file_is_written_ahead_and_synced_in_full_on_every_connection(store: SqlStore) -> None:
    with store._database.writing() as one, store._database.reading() as other:
        for connection in (one, other):
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_a_file_that_is_no_database_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, only a long enough text to be looked at as one " * 20)
    with pytest.raises(StoreRefused, match=r"notes\.txt refused: file is not a database"):
        SqlStore(f"sqlite:///{path}", ManualClock())


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="unable to open database file"):
        SqlStore.upgrade(f"sqlite:///{tmp_path / 'missing' / 'loopwatch.db'}")


def test_daemon_relay_and_page_share_a_store_from_their_threads(store: SqlStore) -> None:
    lease = held(store)
    done = threading.Event()

    def daemon(model: str) -> None:
        for number in range(1, 21):
            store.commit(full_step(number, model), lease)

    def relay() -> None:
        sent = 0
        while sent < 60 and not done.is_set():
            for row in store.due(NOW, 10):
                store.begin(row.id, NOW, lease)
                store.settle(row.id, Delivery(outcome=Outcome.DELIVERED), NOW, None, lease)
                sent += 1

    def page() -> None:
        while not done.is_set():
            for model in store.models():
                image, said = store.load(model), store.findings(model)
                assert len(said) >= image.number

    with ThreadPoolExecutor(5) as threads:
        endless = threads.submit(page)
        finite = [threads.submit(daemon, model) for model in ("a", "b", "c")] + [threads.submit(relay)]
        try:
            for work in finite:
                work.result(60)
        finally:
            done.set()
        endless.result(60)
    assert [store.load(model).number for model in ("a", "b", "c")] == [20, 20, 20]
    assert {state for _row, state in store.notifications()} == {"delivered"}


COMMITS = """
import sys
from monitor.clock import SystemClock
from monitor.store.protocols import Chunk, Page, Step
from monitor.store.via_sql import SqlStore

store = SqlStore(sys.argv[1], SystemClock())
lease = store.acquire("killed", 1_000)
for number in range(1, 100_000):
    text = str(number).encode()
    store.commit(
        Step(
            model="feed",
            number=number,
            pages=[Page("units", str(each), text) for each in range(20)],
            chunks=[Chunk("predictions", 0, number, text)],
        ),
        lease,
    )
    print(number, flush=True)
"""


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_process_killed_while_it_commits_leaves_whole_steps(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'killed.db'}" if kind == "sqlite" else own_schema(request)
    SqlStore.upgrade(url)
    with subprocess.Popen([sys.executable, "-c", COMMITS, url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [int(next(process.stdout)) for _ in range(30)]
        process.kill()
    store = SqlStore(url, ManualClock(NOW))
    image = store.load("feed")
    assert image.number >= told[-1] == 30
    assert {page.data for page in image.pages} == {str(image.number).encode()}
    assert [chunk.sequence for chunk in image.chunks] == list(range(1, image.number + 1))
    store.close()


def test_no_password_stands_in_an_error_of_a_server_that_is_away() -> None:
    url = "postgresql://loopwatch:p%40ss%2Fword@127.0.0.1:9/loopwatch"
    with pytest.raises(StoreUnavailable, match=r"loopwatch:\*\*\*@127\.0\.0\.1:9") as away:
        SqlStore(url, ManualClock())
    told = "".join(traceback.format_exception(away.value))
    assert not any(spelling in told for spelling in ("p@ss/word", "p%40ss%2Fword"))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://loopwatch:hunter2@127.0.0.1:9/x?sslmode=hunter2",
        "postgresql://127.0.0.1:9/x?user=loopwatch&password=hunter2&sslmode=hunter2",
    ],
)
def test_a_password_that_the_driver_repeats_is_struck_out(url: str) -> None:
    with pytest.raises(StoreUnavailable, match=r'invalid sslmode value: "\*\*\*"') as refusal:
        SqlStore(url, ManualClock())
    assert "hunter2" not in "".join(traceback.format_exception(refusal.value))


@pytest.mark.postgres
def test_connections_cut_by_the_server_are_replaced(request: pytest.FixtureRequest) -> None:
    url = own_schema(request)
    SqlStore.upgrade(url)
    store = SqlStore(url, ManualClock(NOW))
    lease = held(store)
    store.commit(full_step(), lease)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'loopwatch'"
        assert connection.execute(cut).fetchall()
    store.commit(full_step(2), lease)
    assert store.load("feed").number == 2
    store.close()


@pytest.mark.postgres
def test_a_transaction_cut_in_its_middle_is_unavailable_and_leaves_nothing(request: pytest.FixtureRequest) -> None:
    url = own_schema(request)
    SqlStore.upgrade(url)
    store = SqlStore(url, ManualClock(NOW))
    lease = held(store)

    def cut_in_the_middle() -> None:
        with store._database.writing() as transaction:
            state.commit(transaction, full_step(), lease, NOW)
            pid = transaction.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))

    with pytest.raises(StoreUnavailable):
        cut_in_the_middle()
    assert store.models() == []
    store.commit(full_step(), lease)
    store.close()


@pytest.mark.postgres
def test_nobody_can_take_the_lease_while_a_commit_is_under_way(request: pytest.FixtureRequest) -> None:
    url = own_schema(request)
    SqlStore.upgrade(url)
    store = SqlStore(url, ManualClock(NOW))
    lease = held(store)
    take = "SELECT fence FROM lease WHERE name = 'writer' FOR UPDATE NOWAIT"
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
        with store._database.writing() as transaction:
            state.commit(transaction, full_step(), lease, NOW)
            with pytest.raises(psycopg.errors.LockNotAvailable):
                other.execute(take)
        assert other.execute(take).fetchall() == [(lease.fence,)]
    store.close()


@pytest.mark.postgres
def test_a_process_that_froze_in_a_commit_does_not_keep_the_lease_from_its_successor(
    request: pytest.FixtureRequest,
) -> None:
    url = own_schema(request)
    SqlStore.upgrade(url)
    clock = ManualClock(NOW)
    store = SqlStore(url, clock)
    assert store.acquire("frozen", 5) is not None
    with psycopg.connect(url.replace("+psycopg", "")) as frozen:
        frozen.execute(
            "SELECT fence FROM lease WHERE name = 'writer' FOR SHARE"
        )  # as a commit does, and then nothing more
        frozen.execute("SELECT pg_sleep(0.05)")
        clock.sleep(6)
        lease = store.acquire("successor", 5)
        assert lease is not None
        with pytest.raises(psycopg.OperationalError):
            frozen.execute("SELECT 1")
    store.commit(full_step(), lease)
    store.close()
