"""A feed of nine days for scenarios of origin: people who come back, a random holdout, and from the sixth day on something moves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.scenarios.world import HOUR, START, Ended, configured, replayed, written

MODEL = """
model: feed
kind: recommender
window: 1h
retrained: daily
predictions:
  topic: slates
  id: slate
  time: at
  unit: who
  version: build
  score: score
  features: [age]
  items: { each: shown, id: item }
cohorts: { field: arm, holdout: { share: 40% } }
"""
DAYS, A_DAY, PEOPLE, ITEMS, SLOTS = 9, 6_000, 8_000, 300, 5
MOVES_ON = 6
MOVED_AT = START + MOVES_ON * 24 * HOUR


@dataclass(frozen=True)
class Side:
    """What moves for one cohort: how many items are left to choose from, and by how much score and age rise, in deviations."""

    items: int = ITEMS
    score: float = 0.0
    age: float = 0.0


def ended(
    folder: Path,
    exposed: Side = Side(),
    holdout: Side = Side(),
    *,
    always: bool = False,
    build: str = "v1",
    model: str = MODEL,
) -> Ended:
    """The replay of a feed. `always`: it is so from the start; `build`: the version the exposed get once it moves."""
    rng = np.random.default_rng(3)
    slates: list[dict[str, object]] = []
    for day in range(DAYS):
        late = day >= MOVES_ON
        people = rng.integers(0, PEOPLE, A_DAY)
        held_out = people % 5 < 2
        at = START + day * 24 * HOUR + np.sort(rng.integers(0, 24 * HOUR, A_DAY))
        moved = [side if late or always else Side() for side in (exposed, holdout)]
        many = np.where(held_out, moved[1].items, moved[0].items)
        shown = rng.integers(0, many[:, None], (A_DAY, SLOTS))
        score, age = (
            rng.normal(np.where(held_out, getattr(moved[1], name), getattr(moved[0], name)), 1.0)
            for name in ("score", "age")
        )
        slates += [
            {
                "slate": f"{day}.{n}",
                "at": int(at[n]),
                "who": f"u{people[n]}",
                "arm": "holdout" if held_out[n] else "exposed",
                "build": build if late and not held_out[n] else "v1",
                "score": round(float(score[n]), 4),
                "age": round(float(age[n]), 4),
                "shown": [{"item": f"i{i}"} for i in shown[n].tolist()],
            }
            for n in range(A_DAY)
        ]
    return replayed(configured(folder, model), {"slates": [written(folder, "slates", slates)]})
