"""Migrations: what they make, and what is said of a database that lacks or exceeds them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from monitor.clock import ManualClock
from monitor.store.protocols import SchemaTooNew, SchemaTooOld, StoreRefused
from monitor.store.via_sql import SqlStore, upgrade
from monitor.store.via_sql.tables import REVISIONS, VERSION_TABLE, metadata
from tests.store.places import own_schema


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'loopwatch.db'}" if request.param == "sqlite" else own_schema(request)


def set_revision(url: str, revision: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = :now"), {"now": revision})
    engine.dispose()


def test_an_upgrade_makes_the_tables_once(url: str) -> None:
    assert upgrade(url) is True
    assert upgrade(url) is False
    store = SqlStore(url, ManualClock())
    assert store.models() == []
    store.close()


def test_migrations_leave_exactly_the_tables_that_the_code_uses(url: str) -> None:
    upgrade(url)
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        differences: list[Any] = compare_metadata(context, metadata)
    engine.dispose()
    assert differences == []


def test_the_list_of_revisions_is_that_of_the_migration_files() -> None:
    config = Config()
    config.set_main_option("script_location", "monitor.store:migrations")
    config.set_main_option("path_separator", "os")
    files = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(files)) == REVISIONS


def test_a_database_without_tables_is_too_old_and_the_command_is_named(url: str) -> None:
    with pytest.raises(SchemaTooOld, match="run `loopwatch db upgrade`"):
        SqlStore(url, ManualClock())


def test_a_missing_file_is_told_and_not_made(tmp_path: Path) -> None:
    file = tmp_path / "none.db"
    with pytest.raises(SchemaTooOld, match="there is no such file"):
        SqlStore(f"sqlite:///{file}", ManualClock())
    assert not file.exists()


def test_an_older_schema_is_named_with_the_one_needed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade(url)
    monkeypatch.setattr("monitor.store.via_sql.schema.REVISIONS", (*REVISIONS, "9999"))
    with pytest.raises(SchemaTooOld, match=f"is at schema {REVISIONS[-1]}, this version needs 9999"):
        SqlStore(url, ManualClock())


def test_a_newer_schema_is_neither_opened_nor_touched(url: str) -> None:
    upgrade(url)
    set_revision(url, "9999")
    with pytest.raises(SchemaTooNew, match="is at schema 9999, which this version does not know"):
        SqlStore(url, ManualClock())
    with pytest.raises(SchemaTooNew):
        upgrade(url)


def test_two_upgrades_at_once_make_the_tables_once(url: str) -> None:
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(upgrade(url))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == [False, False, True]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("mysql://root:hunter2@db/x", "kind 'mysql' is not supported"),
        ("postgresql://user:hunter2/3@host:x/db", "cannot be read"),
        ("hunter2", "cannot be read"),
    ],
)
def test_a_bad_url_is_refused_in_words_without_its_password(url: str, words: str) -> None:
    with pytest.raises(StoreRefused, match=words) as refusal:
        SqlStore(url, ManualClock())
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None
