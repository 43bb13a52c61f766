"""References from history: built, stored, adopted by a recorded act, and used by the watch that they are for alone."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from detectors.evidence import Mode
from monitor import app, references, replay, warmup
from monitor.alerting.alert import Severity
from monitor.clock import ManualClock, SystemClock
from monitor.memory import load
from monitor.store.protocols import Image, Reference
from monitor.testing import told
from monitor.watch.plan import ModelPlan
from tests.app.conftest import CommandLine
from tests.scenarios.world import SHARED, configured

HOUR = 3_600_000
START = 1_704_067_200_000
MODEL = """
model: feed
kind: recommender
window: 1h
predictions: { topic: slates, id: slate, time: at, unit: who, score: s, latency_ms: ms }
outcomes: { read: { topic: reads, time: at, match: { id: slate }, within: 1h } }
cohorts: { field: arm, holdout: { share: 40% } }
metrics: { reads: { of: read } }
watch: { score: { detector: { kind: numeric_shift, sample_units: 500, learn_units: 3000, learn_windows: 4, eps: 0.05 }, on: score } }
"""


def _files(folder: Path, *, first: int, hours: int, score: float, moves_at: int | None = None) -> dict[str, list[Path]]:
    """400 new people an hour; the score is normal around `score`, and a standard deviation higher from hour `moves_at` on."""
    rng = np.random.default_rng(first)
    slates, reads = folder / f"slates{first}.jsonl", folder / f"reads{first}.jsonl"
    with slates.open("w") as predictions, reads.open("w") as outcomes:
        for hour in range(first, first + hours):
            level = score + (moves_at is not None and hour >= moves_at)
            for n, at in enumerate(np.sort(rng.integers(0, HOUR, 400)).tolist()):
                name, arm = f"{hour}.{n}", "holdout" if rng.random() < 0.4 else "exposed"
                row = {"slate": name, "at": START + hour * HOUR + at, "who": f"u{name}", "arm": arm}
                predictions.write(json.dumps(row | {"s": rng.normal(level), "ms": 5.0}) + "\n")
                if rng.random() < 0.2:
                    outcomes.write(json.dumps({"slate": name, "at": START + hour * HOUR + at + 1_000}) + "\n")
    return {"slates": [slates], "reads": [reads]}


def _history(plan: ModelPlan, files: dict[str, list[Path]]) -> references.History:
    clock = SystemClock()
    return references.build(plan, app.file_source(files, plan), app.memory_store(clock), clock, "somebody")


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelPlan, references.History]:
    folder = tmp_path_factory.mktemp("healthy")
    plan = configured(folder, MODEL)
    return plan, _history(plan, _files(folder, first=0, hours=40, score=0.0))


def _of(history: references.History, watch: str) -> Reference:
    return next(r for r in history.references if r.watch == watch)


def _adopted(plan: ModelPlan, *some: Reference) -> ModelPlan:
    taken = [msgspec.structs.replace(r, adopted_at=1, adopted_by="somebody") for r in some]
    return references.adopted(plan, taken)[0]


def test_what_learned_has_a_reference_and_the_others_say_why(healthy: tuple[ModelPlan, references.History]) -> None:
    _, history = healthy
    assert {r.watch for r in history.references} >= {"score", "reads"}
    assert all(not r.failed for r in history.references if r.watch in {"score", "reads"})
    assert history.without["holdout"] == "it has nothing to learn"
    assert "which a file does not say" in history.without["freshness.read"]


def test_a_version_is_that_of_content_and_period(healthy: tuple[ModelPlan, references.History], tmp_path: Path) -> None:
    plan, history = healthy
    again = _history(plan, _files(tmp_path, first=0, hours=40, score=0.0))
    other = _history(plan, _files(tmp_path, first=100, hours=40, score=0.0))
    assert _of(again, "score").version == _of(history, "score").version
    assert _of(other, "score").version != _of(history, "score").version


def test_a_watch_with_a_reference_looks_from_the_first_window_and_finds_what_moved_since(
    healthy: tuple[ModelPlan, references.History], tmp_path: Path
) -> None:
    """Without it the watch would learn the moved scores as normal and never tell."""
    plan, history = healthy
    later = _files(tmp_path, first=50, hours=30, score=1.0)
    ended = {}
    for name, used in (("without", plan), ("with", _adopted(plan, _of(history, "score")))):
        clock = SystemClock()
        store = app.memory_store(clock)
        replay.run([used], {used.model: app.file_source(later, used)}, store, clock)
        ended[name] = told(store, used.model)
    first = next(f for f in ended["with"].findings if f.watch == "score")
    assert first.evidence.mode is not Mode.LEARNING
    assert {a.severity for a in ended["with"].alerts if a.watch == "score"} <= {Severity.PAGE, Severity.CRITICAL}
    assert any(a.watch == "score" for a in ended["with"].alerts)
    assert not [a for a in ended["without"].alerts if a.watch == "score"]


def test_adopting_restarts_the_watch_concerned_alone(healthy: tuple[ModelPlan, references.History]) -> None:
    plan, history = healthy
    used = _adopted(plan, _of(history, "score"))
    changed = [
        old.key for old, new in zip(plan.watches, used.watches, strict=True) if old.incarnation != new.incarnation
    ]
    assert changed == ["score"]
    bank = load(used, Image()).banks["numeric_shift"]
    row = next(i for i, w in enumerate(bank.watches) if w.key == "score")
    assert bank.state.cut[row]
    assert bank.state.total[row].sum() == 0
    assert np.isneginf(bank.state.bank.page[row]).all()


def test_the_newest_adopted_reference_counts_and_one_of_other_parameters_is_not_used(
    healthy: tuple[ModelPlan, references.History],
) -> None:
    plan, history = healthy
    mine = _of(history, "score")
    first = msgspec.structs.replace(mine, version="old", adopted_at=1)
    second = msgspec.structs.replace(mine, version="new", adopted_at=2)
    never = msgspec.structs.replace(mine, version="never")
    used, said = references.adopted(plan, [never, first, second])
    assert [w.reference.version for w in used.watches if w.reference is not None] == ["new"]
    assert said == ()
    other = msgspec.structs.replace(mine, learned_as="otherwise", adopted_at=3)
    used, said = references.adopted(plan, [other])
    assert all(w.reference is None for w in used.watches)
    assert said == (
        f"score: reference {mine.version} was learned with other parameters and is not used; build a new one",
    )


def test_a_watch_that_crosses_in_its_dry_run_warns_and_does_not_page(tmp_path: Path) -> None:
    plan = configured(tmp_path, MODEL)
    history = _history(plan, _files(tmp_path, first=0, hours=40, score=0.0, moves_at=25))
    mine = _of(history, "score")
    assert mine.failed.startswith("it crossed its bound for a page at ")
    used, said = references.adopted(plan, [msgspec.structs.replace(mine, adopted_at=1)])
    watch = next(w for w in used.watches if w.key == "score")
    assert not watch.policy.may_page
    assert said == (f"score: failed the dry run: {mine.failed}; it warns and does not page",)
    clock = ManualClock()
    store = app.memory_store(clock)
    store.keep_reference(mine)
    assert store.adopt_reference("feed", "score", mine.version, "somebody", 7)
    (section,) = app.overview(store, [plan], clock).models
    assert said[0] in section.note
    moved = _files(tmp_path, first=50, hours=8, score=2.5)
    live = app.memory_store(clock)
    replay.run([used], {used.model: app.file_source(moved, used)}, live, SystemClock())
    assert {a.severity for a in told(live, "feed").alerts if a.watch == "score"} == {Severity.WARN}


def test_the_daemon_starts_with_what_was_adopted(healthy: tuple[ModelPlan, references.History], tmp_path: Path) -> None:
    plan, history = healthy
    configured(tmp_path, MODEL)
    config, mine = app.read_config(tmp_path / "loopwatch.yaml"), _of(history, "score")
    clock = ManualClock()
    store = app.open_store(f"sqlite:///{tmp_path / 'state.db'}", clock)
    store.keep_reference(mine)
    assert app.with_references(config, store)[0].plans == config.plans
    assert store.adopt_reference(plan.model, "score", mine.version, "somebody", 7)
    used, said = app.with_references(config, store)
    store.close()
    assert said == ()
    watch = next(w for w in used.plans.models[0].watches if w.key == "score")
    assert watch.reference is not None
    assert watch.reference.version == mine.version


@pytest.mark.parametrize(
    "written", ["lake/{topic}.jsonl", {"slates": "lake/slates.jsonl", "reads": ["lake/reads.jsonl"]}]
)
def test_watches_that_have_not_begun_start_with_the_history_that_the_config_names(
    tmp_path: Path, written: str | dict[str, object]
) -> None:
    plan = configured(tmp_path, MODEL)
    (tmp_path / "lake").mkdir()
    for topic, (path,) in _files(tmp_path, first=0, hours=40, score=0.0).items():
        path.rename(tmp_path / "lake" / f"{topic}.jsonl")
    (tmp_path / "loopwatch.yaml").write_text(SHARED + MODEL + f"history: {json.dumps(written)}\n")
    config, clock = app.read_config(tmp_path / "loopwatch.yaml"), ManualClock()
    store = app.open_store(f"sqlite:///{tmp_path / 'state.db'}", clock)
    ((model, given, said),) = app.learn_from_history(config, store, clock)
    (used,) = app.with_references(config, store)[0].plans.models
    learned = {w.key for w in used.watches if w.reference is not None}
    assert (model, given) == (plan.model, len(learned))
    assert {"score", "reads"} <= learned
    assert all("history is too short" in sentence for sentence in said)
    commands = store.commands(plan.model)
    assert {(c.verb, c.author) for c in commands} == {("adopt", warmup.AUTHOR)}
    assert {c.target for c in commands} == learned
    assert [again for _, again, _ in app.learn_from_history(config, store, clock)] == [0]
    store.close()


def test_what_has_looked_at_the_stream_is_not_replaced_by_history(tmp_path: Path) -> None:
    plan = configured(tmp_path, MODEL)
    files, clock = _files(tmp_path, first=0, hours=40, score=0.0), SystemClock()
    store = app.memory_store(clock)
    replay.run([plan], {plan.model: app.file_source(files, plan)}, store, clock)
    looked = {f.watch for f in store.latest(plan.model) if f.evidence.mode is not Mode.LEARNING}
    assert "score" in looked
    assert not warmup.wanting(plan, store) & looked


def test_a_history_without_files_is_told_and_the_stream_is_learned_from(tmp_path: Path) -> None:
    configured(tmp_path, MODEL)
    (tmp_path / "loopwatch.yaml").write_text(SHARED + MODEL + "history: gone/{topic}.parquet\n")
    config, clock = app.read_config(tmp_path / "loopwatch.yaml"), ManualClock()
    told_of = list(app.learn_from_history(config, app.memory_store(clock), clock))
    assert told_of == [("feed", 0, ("no file of its topics matches; its watches learn from the stream",))]


def test_the_commands_build_list_and_adopt(loopwatch: CommandLine, tmp_path: Path) -> None:
    plan = configured(tmp_path, MODEL)
    files = _files(tmp_path, first=0, hours=30, score=0.0)
    given = [f"{topic}={path}" for topic, paths in files.items() for path in paths]
    checked = loopwatch(
        "check", *(word for each in given for word in ("--history", each)), "--config", tmp_path / "loopwatch.yaml"
    )
    assert "score: learned from " in checked.stdout
    assert "; passed the dry run" in checked.stdout
    built = loopwatch("reference", "build", *given, "--config", tmp_path / "loopwatch.yaml")
    assert built.exit_code == 0, built.output
    version = built.stdout.split("--watch score --version ")[1].split()[0]
    refused = loopwatch(
        "reference",
        "adopt",
        "--model",
        plan.model,
        "--watch",
        "score",
        "--version",
        "none",
        "--config",
        tmp_path / "loopwatch.yaml",
    )
    assert refused.exit_code == 2
    assert f"feed has no reference 'none' of 'score'; it has {version}" in refused.stderr
    taken = loopwatch(
        "reference",
        "adopt",
        "--model",
        plan.model,
        "--watch",
        "score",
        "--version",
        version,
        "--config",
        tmp_path / "loopwatch.yaml",
    )
    assert f"score starts anew with reference {version}, with the next turn of loopwatch run" in taken.stdout
    listed = loopwatch("reference", "list", "--config", tmp_path / "loopwatch.yaml").stdout
    assert version in listed
    assert "since " in listed
