from __future__ import annotations

from pathlib import Path

import pytest

from monitor.settings import ConfigErrors, Settings, load

MODEL = "model: feed\nkind: recommender\npredictions: { topic: slates }\n"
KAFKA = "kafka:\n  brokers: 'a:1'\n  sasl: { mechanism: SCRAM-SHA-512, user: u, %s }\n"
FAKE = "example-only"
URL = "postgresql://user:example-only@127.0.0.1/db"


def settings(directory: Path, text: str, **environ: str) -> Settings:
    (directory / "c.yaml").write_text(MODEL + text)
    return load(directory / "c.yaml", environ).settings


def test_a_secret_file_is_read_beside_the_config_without_its_last_line_break(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(" example-only \r\n")
    got = settings(tmp_path, KAFKA % "password_file: password")
    assert got.kafka is not None
    assert got.kafka.sasl is not None
    assert got.kafka.sasl.secret == f" {FAKE} "


def test_a_secret_may_come_from_a_variable(tmp_path: Path) -> None:
    got = settings(tmp_path, "database: ${URL}\n", URL=URL)
    assert got.database is not None
    assert got.database.secret.get_secret_value() == URL


def test_destinations_are_collected_by_name_with_slack_among_them(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("json://127.0.0.1\n")
    got = settings(tmp_path, "slack: 'slack://a/b/c'\nnotify: { x: { url_file: url }, y: { url: 'json://b' } }\n")
    assert {name: url.get_secret_value() for name, url in got.destinations.items()} == {
        "slack": "slack://a/b/c",
        "x": "json://127.0.0.1",
        "y": "json://b",
    }


def test_no_secret_shows_in_any_form_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("example-only")
    text = (
        KAFKA % "password: example-only"
        + f"database: '{URL}'\nslack: 'slack://example-only'\nhttp: {{ token_file: token }}\n"
    )
    got = settings(tmp_path, text)
    assert got.http.secret is not None
    assert FAKE not in repr(got) + str(got) + got.model_dump_json() + repr(got.destinations)


@pytest.mark.parametrize(
    "text",
    [
        "database: example-only\n",
        "database: { url: [example-only] }\n",
        "database: { ulr: example-only }\n",
        "slack: example-only\n",
        "notify: { x: example-only }\n",
        "notify: { x: { url: { y: example-only } } }\n",
        "http: { token: [example-only] }\n",
        "http: { token_file: example-only }\n",
        KAFKA % "password: [example-only]",
        KAFKA % "password_file: example-only",
        "teams: { default: { page: 'json://example-only' } }\n",
        "slack: ${SECRET}\n",
        "http: { port: '${SECRET}' }\n",
    ],
)
def test_no_secret_shows_in_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigErrors) as info:
        settings(tmp_path, text, SECRET=FAKE)
    assert FAKE not in str(info.value) + repr(info.value)
    assert info.value.__cause__ is None
    assert info.value.__suppress_context__ or info.value.__context__ is None


@pytest.mark.parametrize("body", [b"", b"\n", b"\xff", b"x" * 70_000])
def test_a_secret_file_that_holds_no_secret_is_refused(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "token").write_bytes(body)
    with pytest.raises(ConfigErrors, match=r"http\.token_file: names a file that is"):
        settings(tmp_path, "http: { token_file: token }\n")
