"""Predictions of house prices, an hour apart over 19 months, whose labels come three weeks later, through `loopwatch replay`.

The part of wrong answers is .14 from October 2020 to January 2021, .26 and .28 in February and March, and between .44 and .48
from August to October 2021. Rows are in the order of their places, so neighbours are alike and months swing; what is asked is
that the bad months are told in time, that the alert lasts as long as they do, and that nothing is told while all is well.
Source: modified California housing of the nannyml package, Apache-2.0; StatLib, 1990 census.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor.cli import cli
from tests.figures import Figure
from tests.real_data.shared import table

CONFIG = """
rehearsal: 0s
slack: slackhook://127.0.0.1:1/nobody
kafka: { brokers: ["127.0.0.1:1"] }
model: california
kind: classifier
window: 1d
predictions: { topic: predictions, id: id, time: at, unit: id, probability: p }
outcomes: { sold: { topic: labels, time: at, match: { id: id }, within: 30d, value: target } }
watch:
  risk: false            # of probabilities; what is watched here is wrong answers
  error: { detector: { kind: risk, loss: error, sample_units: 500, learn_units: 2000, learn_windows: 14 }, on: outcomes.sold }
  calibration: false
  freshness.predictions: false
  freshness.sold: false
  rejects.predictions: false
  rejects.sold: false
"""
DAY = 86_400_000
LABELLED_AFTER = 21 * DAY


def ms(moment: str) -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1_000)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return sorted(table("nannyml_california/events.csv.gz"), key=lambda r: r["timestamp"])


@pytest.fixture(scope="module")
def alerts(rows: list[dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The last state of every alert of the watch, oldest first."""
    folder = tmp_path_factory.mktemp("california")
    (folder / "loopwatch.yaml").write_text(CONFIG)
    predictions = [{"id": r["id"], "at": ms(r["timestamp"]), "p": float(r["y_pred_proba"])} for r in rows]
    labels = [
        {"id": r["id"], "at": ms(r["timestamp"]) + LABELLED_AFTER, "target": float(r["clf_target"])} for r in rows
    ]
    given = []
    for topic, events in (("predictions", predictions), ("labels", labels)):
        (folder / topic).write_text("".join(json.dumps(e) + "\n" for e in events))
        given.append(f"{topic}={folder / topic}")
    out = folder / "out"
    words = ["replay", *given, "--out", str(out), "--config", str(folder / "loopwatch.yaml")]
    done = CliRunner(env={"COLUMNS": "160", "TERM": "dumb"}).invoke(cli, words)
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in Path(out / "alerts.jsonl").read_text().splitlines()]
    return sorted((a for a in told if a["watch"] == "error"), key=lambda a: int(a["opened_at"]))


def test_the_months_are_as_bad_as_is_said(rows: list[dict[str, str]]) -> None:
    wrong = defaultdict(list)
    for r in rows:
        wrong[r["timestamp"][:7]].append((float(r["y_pred_proba"]) >= 0.5) != (r["clf_target"] == "1"))
    error = {month: sum(each) / len(each) for month, each in wrong.items()}
    assert sum(error[f"2020-{m}"] for m in (10, 11, 12)) / 3 < 0.16
    assert all(error[f"2021-{m}"] > 0.25 for m in ("02", "03"))
    assert all(error[f"2021-{m}"] > 0.43 for m in ("08", "09", "10"))


def test_nothing_is_told_in_the_good_months(alerts: list[dict[str, Any]], figure: Figure) -> None:
    early = sum(int(a["opened_at"]) < ms("2021-01-14") for a in alerts)
    figure("California: alerts in the good months", early, "alerts", len(alerts), target=0, met=early == 0)
    assert int(alerts[0]["opened_at"]) >= ms("2021-01-14")


@pytest.mark.parametrize(("from_", "until"), [("2021-02-10", "2021-04-01"), ("2021-08-01", "2021-11-01")])
def test_the_bad_months_are_told_as_critical_and_the_alert_lasts_as_long_as_they_do(
    alerts: list[dict[str, Any]], from_: str, until: str, figure: Figure
) -> None:
    over = [a for a in alerts if int(a["opened_at"]) <= ms(from_) and (a["resolved_at"] or 10**15) >= ms(until)]
    critical = sum(a["severity"] == "critical" for a in over)
    figure(f"California: bad months from {from_} told as critical", critical, "alerts", 1, target=1, met=critical == 1)
    assert [a["severity"] for a in over] == ["critical"]
