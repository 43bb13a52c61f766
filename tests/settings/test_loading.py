from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from monitor.settings import ConfigErrors, Loaded, load
from monitor.settings.model import ModelSettings
from monitor.settings.quantities import Rate
from monitor.settings.sentences import keys_of
from monitor.settings.service import Settings
from tests.settings.probe import ProbeParams

MODEL = "{ model: %s, kind: recommender, predictions: { topic: slates } }"


def loaded(directory: Path, text: str, **environ: str) -> Loaded:
    file = directory / "loopwatch.yaml"
    file.write_text(textwrap.dedent(text))
    return load(file, environ)


def refused(directory: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigErrors) as info:
        loaded(directory, text, **environ)
    return str(info.value)


ONE_FILE = """
    model: feed
    kind: recommender
    predictions: { topic: slates }
"""


def test_a_fault_in_one_model_file_stops_that_model_only(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.yaml").write_text(MODEL % "a")
    (tmp_path / "models" / "b.yaml").write_text("model: b\nkind: no-such-kind\n")
    (tmp_path / "models" / "c.yaml").write_text("[")
    (tmp_path / "models" / "d.yaml").write_text("")
    got = loaded(tmp_path, "models: models/*.yaml")
    assert list(got.models) == ["a"]
    assert sorted({Path(fault.file).name for fault in got.faults}) == ["b.yaml", "c.yaml", "d.yaml"]


def test_files_and_models_may_stand_in_one_list(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MODEL % "a")
    got = loaded(tmp_path, f"models:\n  - a.yaml\n  - {MODEL % 'b'}\n")
    assert (list(got.models), got.faults) == (["a", "b"], [])


def test_a_pattern_that_covers_the_shared_file_does_not_take_it_for_a_model(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MODEL % "a")
    got = loaded(tmp_path, "models: '*.yaml'")
    assert (list(got.models), got.faults) == (["a"], [])


def test_the_second_of_two_models_of_one_name_is_the_one_that_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(MODEL % "feed")
    (tmp_path / "b.yaml").write_text(MODEL % "feed")
    got = loaded(tmp_path, "models: [a.yaml, b.yaml]")
    assert list(got.models) == ["feed"]
    assert [Path(fault.file).name for fault in got.faults] == ["b.yaml"]


def test_a_fault_found_later_has_the_file_and_line_of_its_model(tmp_path: Path) -> None:
    got = loaded(
        tmp_path,
        "models:\n  - model: a\n    kind: recommender\n    predictions: { topic: t }\n    watch: { x: false }\n",
    )
    assert got.fault("a", ("watch", "x"), "is not brought").sentence.endswith(
        "loopwatch.yaml:5: models[0].watch.x: is not brought"
    )


def test_no_key_is_both_shared_and_a_models_because_one_file_may_hold_both() -> None:
    assert not set(keys_of(Settings)) & set(keys_of(ModelSettings))


def test_a_misspelled_model_in_a_one_file_config_is_told_as_such(tmp_path: Path) -> None:
    assert "modle: unknown key; did you mean model?" in refused(tmp_path, ONE_FILE.replace("model:", "modle:"))


def test_defaults_need_no_line(tmp_path: Path) -> None:
    got = loaded(tmp_path, ONE_FILE)
    model, settings = got.models["feed"], got.settings
    assert (model.window, model.lateness, model.future, model.period) == (300_000, 120_000, 300_000, 86_400_000)
    assert (model.team, settings.rehearsal, settings.http.host) == ("default", 14 * 86_400_000, "127.0.0.1")
    assert settings.teams["default"].false_pages == Rate(1.0, 28 * 86_400_000)
    assert (model.predictions.id, model.predictions.time) == (("id",), ("time",))


def test_the_default_database_lies_beside_the_config(tmp_path: Path) -> None:
    database = loaded(tmp_path, ONE_FILE).settings.database
    assert database is not None
    assert database.secret.get_secret_value() == f"sqlite:///{(tmp_path / 'loopwatch.db').resolve()}"


@pytest.mark.parametrize(
    ("shared", "page", "digest"),
    [
        ("", (), ()),
        ("slack: 'slack://a/b/c'\nnotify: { other: 'json://127.0.0.1' }\n", ("slack",), ("slack",)),
        ("notify: { only: 'json://127.0.0.1' }\n", ("only",), ("only",)),
        (
            "notify: { a: 'json://127.0.0.1', b: 'json://127.0.0.1' }\nteams: { default: { page: [a, b], digest: b } }\n",
            ("a", "b"),
            ("b",),
        ),
    ],
)
def test_a_team_that_names_no_destination_gets_the_obvious_one(
    tmp_path: Path, shared: str, page: tuple[str, ...], digest: tuple[str, ...]
) -> None:
    team = loaded(tmp_path, textwrap.dedent(ONE_FILE) + shared).settings.teams["default"]
    assert (team.page, team.digest) == (page, digest)


def test_a_team_must_choose_between_several_destinations(tmp_path: Path) -> None:
    text = (
        textwrap.dedent(ONE_FILE) + "notify: { a: 'json://127.0.0.1', b: 'json://127.0.0.1' }\nteams: { default: {} }\n"
    )
    assert "teams.default: page is needed, as there are several destinations: a, b" in refused(tmp_path, text)


def test_several_destinations_and_no_team_is_told_too(tmp_path: Path) -> None:
    text = textwrap.dedent(ONE_FILE) + "notify: { a: 'json://127.0.0.1', b: 'json://127.0.0.1' }\n"
    assert "page is needed, as there are several destinations: a, b" in refused(tmp_path, text)


@pytest.mark.usefixtures("only_probe")
def test_a_placed_detector_has_the_parameters_of_its_own_type(tmp_path: Path) -> None:
    text = (
        textwrap.dedent(ONE_FILE)
        + "watch: { mine: { detector: { kind: probe, share: 2% }, on: id, severity: info } }\n"
    )
    detector = loaded(tmp_path, text).models["feed"].watch["mine"].detector
    assert detector is not None
    assert detector.params() == ProbeParams(share=0.02, size=10)


def test_a_watch_is_switched_off_by_false(tmp_path: Path) -> None:
    model = loaded(
        tmp_path, textwrap.dedent(ONE_FILE) + "watch: { a: false, b: { window: 1h, severity: warn } }\n"
    ).models["feed"]
    assert [(watch.off, watch.window, watch.severity) for watch in model.watch.values()] == [
        (True, None, None),
        (False, 3_600_000, "warn"),
    ]


@pytest.mark.parametrize(("start", "value"), [("earliest", "earliest"), ("1970-01-01T00:00:01Z", 1000)])
def test_reading_starts_where_it_is_told(tmp_path: Path, start: str, value: object) -> None:
    kafka = loaded(
        tmp_path, textwrap.dedent(ONE_FILE) + f"kafka: {{ brokers: 'a:1, b:2', start: {start} }}\n"
    ).settings.kafka
    assert kafka is not None
    assert (kafka.brokers, kafka.start) == (("a:1", "b:2"), value)


@pytest.mark.parametrize(("tls", "on"), [("true", True), ("{}", True), ("false", False)])
def test_tls_is_switched_on_with_true(tmp_path: Path, tls: str, *, on: bool) -> None:
    kafka = loaded(tmp_path, textwrap.dedent(ONE_FILE) + f"kafka: {{ brokers: 'a:1', tls: {tls} }}\n").settings.kafka
    assert kafka is not None
    assert (kafka.tls is not None) is on


def test_variables_stand_for_numbers_as_well(tmp_path: Path) -> None:
    assert (
        loaded(tmp_path, textwrap.dedent(ONE_FILE) + "http: { port: '${PORT}' }\n", PORT="9000").settings.http.port
        == 9000
    )


def test_a_wrong_value_out_of_a_variable_is_shown_as_it_is_written(tmp_path: Path) -> None:
    sentence = refused(tmp_path, textwrap.dedent(ONE_FILE) + "http: { port: '${PORT}' }\n", PORT="example-only")
    assert sentence.endswith('http.port: "${PORT}" is not a whole number')


def test_settings_are_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        loaded(tmp_path, ONE_FILE).settings.http.port = 1
