"""Metrics: each has a sentence, a registry of its own, labels only from the config."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from monitor.metrics import Metrics


def test_two_daemons_in_one_process_do_not_share_metrics() -> None:
    one, other = Metrics("1"), Metrics("1")
    one.records_read.labels(model="feed", stream="predictions").inc(3)
    assert (
        one.registry.get_sample_value("loopwatch_records_read_total", {"model": "feed", "stream": "predictions"}) == 3
    )
    assert b"predictions" not in other.exposition()


def test_every_metric_has_a_sentence_and_our_prefix() -> None:
    families = list(text_string_to_metric_families(Metrics("1").exposition().decode()))
    ours = [family for family in families if not family.name.startswith("process_")]
    assert len(ours) == 26
    assert all(family.name.startswith("loopwatch_") for family in ours)
    assert all(family.documentation.endswith(".") for family in ours)
    assert len({family.documentation for family in ours}) == len(ours)


def test_the_exposition_tells_version_and_values() -> None:
    metrics = Metrics("0.1.0")
    metrics.commit_seconds.labels(model="feed").observe(0.004)
    metrics.lease_held.set(1)
    text = metrics.exposition().decode()
    assert 'version="0.1.0"' in text
    assert 'loopwatch_commit_seconds_bucket{le="0.005",model="feed"} 1.0' in text
    assert "loopwatch_lease_held 1.0" in text


def test_a_label_cannot_forge_a_line() -> None:
    metrics = Metrics("1")
    metrics.errors.labels(kind='x"} 1\nforged_metric 1').inc()
    assert "\nforged_metric" not in metrics.exposition().decode()


def test_a_forgotten_model_leaves_no_series_and_others_stay() -> None:
    metrics = Metrics("1")
    for model in ("feed", "fraud"):
        metrics.records_read.labels(model=model, stream="predictions").inc()
        metrics.findings.labels(model=model, watch="clicks", standing="ok").inc()
        metrics.commit_seconds.labels(model=model).observe(1)
        metrics.step_number.labels(model=model).set(9)
    metrics.forget("feed")
    text = metrics.exposition().decode()
    assert 'model="feed"' not in text
    assert text.count('model="fraud"') > 4
