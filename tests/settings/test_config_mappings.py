from __future__ import annotations

from pathlib import Path

from detectors.columns import Cohort
from monitor.ingest.mapping import (
    CohortField,
    CohortHash,
    Condition,
    Each,
    EventMapping,
    FieldSpec,
    Kind,
    OriginField,
    TimeUnit,
)
from monitor.settings import columns, load, mappings
from monitor.settings.model import ModelSettings

PREDICTIONS = """
model: feed
kind: recommender
event_limits: { bytes: 5000, items: 50 }
predictions:
  topic: slates
  id: slate_id
  time: meta.served_at
  time_unit: s
  unit: viewer.account_id
  version: { path: ranker.build, default: unknown }
  probability: p
  role: { constant: champion }
  refused: was_refused
  embedding: vector
  keep_raw: true
  features:
    age: user.age
    country: { path: [user, geo.country], type: category }
  items: { each: a.slots, id: post_id, score: score, propensity: { path: explore_p, default: 1 } }
  where:
    viewer.is_bot: false
    surface: [home, NO]
    seconds: { at_least: 30, at_most: 60 }
    deleted_at: null
"""


def model(directory: Path, text: str) -> ModelSettings:
    (directory / "c.yaml").write_text(text)
    got = load(directory / "c.yaml", {})
    assert got.faults == []
    return got.models["feed"]


def test_predictions_are_compiled_to_their_mapping(tmp_path: Path) -> None:
    cohorts = "cohorts: { field: flags.arm, exposed: { arms: [t, 1] }, holdout: { arms: [true], share: 2% }, exploration: { arms: [e] } }\n"
    (mapping,) = mappings(model(tmp_path, PREDICTIONS + cohorts), "eu.")
    assert mapping == EventMapping(
        model="feed",
        stream="predictions",
        topic="eu.slates",
        time=("meta", "served_at"),
        time_unit=TimeUnit.SECONDS,
        unit=("viewer", "account_id"),
        cohort=CohortField(
            ("flags", "arm"),
            (("t", Cohort.EXPOSED), ("1", Cohort.EXPOSED), ("true", Cohort.HOLDOUT), ("e", Cohort.EXPLORATION)),
        ),
        fields=(
            FieldSpec("id", Kind.HASH, ("slate_id",), required=True),
            FieldSpec("version", Kind.CATEGORY, ("ranker", "build"), default="unknown"),
            FieldSpec("probability", Kind.SHARE, ("p",)),
            FieldSpec("embedding", Kind.VECTOR, ("vector",)),
            FieldSpec("role", Kind.CATEGORY, constant="champion"),
            FieldSpec("refused", Kind.FLAG, ("was_refused",)),
            FieldSpec("features.age", Kind.NUMBER, ("user", "age")),
            FieldSpec("features.country", Kind.CATEGORY, ("user", "geo.country")),
        ),
        items=Each(
            ("a", "slots"),
            (
                FieldSpec("item", Kind.HASH, ("post_id",), required=True),
                FieldSpec("score", Kind.NUMBER, ("score",)),
                FieldSpec("propensity", Kind.SHARE, ("explore_p",), default=1),
            ),
        ),
        where=(
            Condition(("viewer", "is_bot"), (False,)),
            Condition(("surface",), ("home", "NO")),
            Condition(("seconds",), (), 30.0, 60.0),
            Condition(("deleted_at",), (None,)),
        ),
        keep_raw=True,
        max_bytes=5000,
        max_items=50,
    )


def test_every_way_to_match_names_its_fields(tmp_path: Path) -> None:
    text = """
outcomes:
  click: { topic: clicks, match: { id: slate, item: post }, within: 30m, event_id: eid, value: { path: eur, default: 0 } }
  read: { topic: reads, time: ended_at, match: { unit: uid, item: article }, within: 1d, where: { a: 1 } }
  return: { topic: opens, broker_time: true, match: { unit: uid }, within: 1d }
  like: { topic: likes, match: { id: slate }, within: 1d, keep_raw: true, origin: { field: a.b, organic: [7, ad], unit: u } }
"""
    _, click, read, back, like = mappings(model(tmp_path, PREDICTIONS + text))
    assert [m.stream for m in (click, read, back, like)] == ["click", "read", "return", "like"]
    assert click.fields == (
        FieldSpec("id", Kind.HASH, ("slate",), required=True),
        FieldSpec("item", Kind.HASH, ("post",), required=True),
        FieldSpec("event", Kind.HASH, ("eid",)),
        FieldSpec("value", Kind.NUMBER, ("eur",), default=0),
    )
    assert (read.unit, read.time, [f.name for f in read.fields]) == (("uid",), ("ended_at",), ["item"])
    assert read.where == (Condition(("a",), (1,)),)
    assert (back.unit, back.time, back.fields) == (("uid",), (), ())
    assert (like.unit, like.keep_raw, like.max_bytes) == (("u",), True, 5000)
    assert (click.origin, like.origin) == (None, OriginField(("a", "b"), ("7", "ad")))


def test_a_hash_rule_is_compiled_with_its_share(tmp_path: Path) -> None:
    (mapping,) = mappings(model(tmp_path, PREDICTIONS + "cohorts: { hash: { salt: s-1 }, holdout: { share: 2% } }\n"))
    assert mapping.cohort == CohortHash("s-1", 0.02)


def test_without_cohorts_there_is_no_rule(tmp_path: Path) -> None:
    (mapping,) = mappings(model(tmp_path, PREDICTIONS))
    assert mapping.cohort is None


def test_the_columns_of_a_model_are_those_that_its_mapping_decodes(tmp_path: Path) -> None:
    feed = model(tmp_path, PREDICTIONS)
    (mapping,) = mappings(feed)
    assert mapping.items is not None
    assert columns(feed) == (*(f.name for f in mapping.fields), *(f"items.{f.name}" for f in mapping.items.fields))


def test_features_of_the_same_name_may_be_listed(tmp_path: Path) -> None:
    feed = model(tmp_path, "model: feed\nkind: classifier\npredictions: { topic: t, features: [age, income] }\n")
    assert columns(feed) == ("id", "features.age", "features.income")
