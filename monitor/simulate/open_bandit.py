"""Real impressions and clicks of a recommender beside a uniformly random one, as event streams of a known truth.

Rows: 20,000 impressions of the Open Bandit Dataset, campaign "men" (ZOZO Research, CC BY 4.0; Saito, Aihara, Matsutani,
Narita 2021, "Open Bandit Dataset and Pipeline", arXiv:2008.07146): 10,000 chosen by Bernoulli Thompson sampling (`bts`,
the exposed cohort) and 10,000 at random (`random`, the holdout). See data/NOTICE.md.

`untouched` gives the log as it is. `resampled` bootstraps its rows into a longer stream, in which a harm to the exposed
can be planted; the planted part is simulated, not real, and every event of it says so in `source`.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.columns import Bools, Floats, Ints

PREDICTIONS = "predictions"
CLICKS = "clicks"
EXPOSED, HOLDOUT = "bts", "random"
RANKER_VERSION = "zozo-men-2019-11"
NATURAL_SOURCE = "open-bandit"
RESAMPLED_SOURCE = "open-bandit-resampled"
FIRST_DAY = 1_574_553_600_000
"""2019-11-24T00:00:00Z, the first day of the real log, ms since the epoch."""
DAY_MS = 86_400_000
MEAN_DELAY_MS = 40_000
LONGEST_DELAY_MS = 1_800_000 - 1
TIME_JITTER_MS = 300_000
_LINES_A_CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class Log:
    """The real rows, n = 20,000, ordered by time.

    time        ms since the epoch, int64.
    exposed     chosen by `bts` (else by `random`).
    clicked     whether the impression was clicked.
    item, slot  shop item (0 to 33) and position on the page (1 to 3).
    propensity  chance with which the policy chose the item, in (0, 1].
    """

    time: Ints
    exposed: Bools
    clicked: Bools
    item: Ints
    slot: Ints
    propensity: Floats


class Plant(msgspec.Struct, frozen=True, kw_only=True):
    """A harm to the exposed: from `after_days` on, for `for_days`, each of their clicks is kept with chance `keep`.

    Days are event time since the start of the stream. `keep` is in [0, 1]; 0.25 takes three of four clicks away.
    """

    after_days: float = 9.0
    for_days: float = 5.0
    keep: float = 0.25

    def __post_init__(self) -> None:
        if not 0.0 <= self.keep <= 1.0:
            raise ValueError(f"keep: found {self.keep}, allowed is a chance from 0 to 1")
        if self.after_days < 0.0 or self.for_days <= 0.0:
            raise ValueError(
                f"after_days: found {self.after_days}, allowed is 0 or more; "
                f"for_days: found {self.for_days}, allowed is more than 0"
            )


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a stream. Without a plant `starts_at`, `ends_at` are None, `keep` is 1 and `clicks_removed` 0.

    starts_at, ends_at    interval of impression times (ms, end excluded) whose exposed clicks were thinned.
    shuffled              cohort labels were permuted: whatever was planted, the cohorts do not differ.
    cohorts_differ_by_plant   what a detector that compares the cohorts should find.
    """

    source: str
    seed: int | None
    first: int
    last: int
    starts_at: int | None = None
    ends_at: int | None = None
    keep: float = 1.0
    clicks_removed: int = 0
    shuffled: bool = False

    @property
    def cohorts_differ_by_plant(self) -> bool:
        """Whether the planted harm fell on one cohort only."""
        return self.clicks_removed > 0 and not self.shuffled


@dataclass(frozen=True, slots=True)
class Stream:
    """n impressions ordered by time, and the clicks on some of them.

    served_at   time of the impression, ms, int64, shape (n,).
    row         the row of `log` that it shows, shape (n,).
    exposed     the cohort label that the event carries, shape (n,).
    clicked     index into the impressions, ordered by click time, shape (clicks,).
    clicked_at  time of the click, ms, ascending, shape (clicks,).
    """

    log: Log
    served_at: Ints
    row: npt.NDArray[np.intp]
    exposed: Bools
    clicked: npt.NDArray[np.intp]
    clicked_at: Ints
    truth: Truth

    def __len__(self) -> int:
        return len(self.served_at)


@dataclass(frozen=True, slots=True)
class Written:
    """Files of a stream: `paths` by topic, and under `truth` a JSON file that holds the `Truth`."""

    paths: dict[str, Path]
    impressions: int
    clicks: int
    truth: Truth


def load() -> Log:
    """The real rows out of the package's data."""
    packed = files("monitor.simulate").joinpath("data", "open_bandit_men.csv.gz").read_bytes()
    rows = list(csv.reader(io.StringIO(gzip.decompress(packed).decode())))[1:]
    time, item, slot, click, propensity, policy = zip(*rows, strict=True)
    return Log(
        time=np.array([text.removesuffix("+00:00") for text in time], "datetime64[ms]").astype(np.int64),
        exposed=np.array(policy) == EXPOSED,
        clicked=np.array(click) == "1",
        item=np.array(item, np.int64),
        slot=np.array(slot, np.int64),
        propensity=np.array(propensity, np.float64),
    )


def untouched() -> Stream:
    """The real log as it is: each impression its own visitor; a click bears its impression's time, as no other is known."""
    log = load()
    clicked = np.flatnonzero(log.clicked)
    truth = Truth(source=NATURAL_SOURCE, seed=None, first=int(log.time[0]), last=int(log.time[-1]))
    return Stream(log, log.time, np.arange(len(log.time)), log.exposed, clicked, log.time[clicked], truth)


def resampled(
    seed: int,
    impressions: int = 500_000,
    *,
    days: int = 21,
    plant: Plant | None = None,
    shuffled_cohorts: bool = False,
    first_day: int = FIRST_DAY,
) -> Stream:
    """A longer stream, bootstrapped from the real rows; the same arguments give the same stream.

    A fair coin, independent of the time, puts each impression into a cohort; its row is drawn with replacement from that
    cohort's real rows. Times are uniform over `days` days (event time from `first_day`, ms) and follow the pooled real
    profile of the hours of a day. Each impression is its own visitor. Clicks follow after an exponential delay, mean 40 s,
    always within 30 minutes. Each choice has its own generator, so that a plant changes nothing but the clicks it takes,
    and shuffling nothing but the labels. Raises ValueError if there is nothing to draw.
    """
    if impressions < 1 or days < 1:
        raise ValueError(f"impressions: found {impressions}, days: found {days}; allowed is 1 or more of each")
    times, coins, rows, delays, thinning, labels = (
        np.random.Generator(np.random.PCG64(sequence)) for sequence in np.random.SeedSequence(seed).spawn(6)
    )
    log = load()
    served_at = _times(times, log, impressions, days, first_day)
    exposed = coins.random(impressions) < 0.5
    row = _draw(rows, log, exposed)
    would_click = np.flatnonzero(log.clicked[row])
    delay = np.minimum(delays.exponential(MEAN_DELAY_MS, len(would_click)) + 1.0, LONGEST_DELAY_MS).astype(np.int64)
    survives = thinning.random(len(would_click))
    starts_at, ends_at, keep = None, None, 1.0
    kept = np.ones(len(would_click), np.bool_)
    if plant is not None:
        starts_at = first_day + round(plant.after_days * DAY_MS)
        ends_at = starts_at + round(plant.for_days * DAY_MS)
        keep = plant.keep
        at = served_at[would_click]
        harmed = exposed[would_click] & (at >= starts_at) & (at < ends_at)
        kept = ~harmed | (survives < keep)
    clicked, clicked_at = would_click[kept], (served_at[would_click] + delay)[kept]
    order = np.argsort(clicked_at, kind="stable")
    return Stream(
        log,
        served_at,
        row,
        labels.permutation(exposed) if shuffled_cohorts else exposed,
        clicked[order],
        clicked_at[order],
        Truth(
            source=RESAMPLED_SOURCE,
            seed=seed,
            first=int(served_at[0]),
            last=int(served_at[-1]),
            starts_at=starts_at,
            ends_at=ends_at,
            keep=keep,
            clicks_removed=int(np.count_nonzero(~kept)),
            shuffled=shuffled_cohorts,
        ),
    )


def _times(generator: np.random.Generator, log: Log, n: int, days: int, first_day: int) -> Ints:
    of_day = generator.choice(log.time % DAY_MS, n) + generator.integers(-TIME_JITTER_MS, TIME_JITTER_MS, n)
    return np.sort(first_day + generator.integers(0, days, n) * DAY_MS + of_day % DAY_MS)


def _draw(generator: np.random.Generator, log: Log, exposed: Bools) -> npt.NDArray[np.intp]:
    share = generator.random(len(exposed))
    of_exposed, of_holdout = np.flatnonzero(log.exposed), np.flatnonzero(~log.exposed)
    return np.where(
        exposed,
        of_exposed[(share * len(of_exposed)).astype(np.intp)],
        of_holdout[(share * len(of_holdout)).astype(np.intp)],
    )


def predictions(stream: Stream) -> Iterator[bytes]:
    """One JSON line an impression, in order of time, without line ends."""
    label = _label(stream.truth)
    endings = [
        f'"item_id":"{item}","slot":{slot},"propensity":{propensity!r},"ranker_version":"{RANKER_VERSION}",{label}}}'
        for item, slot, propensity in zip(
            stream.log.item.tolist(), stream.log.slot.tolist(), stream.log.propensity.tolist(), strict=True
        )
    ]
    name = _name(stream.truth)
    policies = (HOLDOUT, EXPOSED)
    for i, (at, row, exposed) in enumerate(
        zip(stream.served_at.tolist(), stream.row.tolist(), stream.exposed.tolist(), strict=True)
    ):
        yield (
            f'{{"impression_id":"i{name}-{i}","served_at":{at},"visitor":"v{name}-{i}",'
            f'"policy":"{policies[exposed]}",{endings[row]}'
        ).encode()


def clicks(stream: Stream) -> Iterator[bytes]:
    """One JSON line a click, in order of time, without line ends."""
    label, name = _label(stream.truth), _name(stream.truth)
    items = stream.log.item[stream.row[stream.clicked]].tolist()
    for i, at, item in zip(stream.clicked.tolist(), stream.clicked_at.tolist(), items, strict=True):
        yield (
            f'{{"impression_id":"i{name}-{i}","clicked_at":{at},"visitor":"v{name}-{i}","item_id":"{item}",{label}}}'
        ).encode()


def write(directory: Path, stream: Stream) -> Written:
    """Write `predictions.jsonl`, `clicks.jsonl` and `truth.json` into `directory`, which is made if absent. OSError as usual."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {PREDICTIONS: directory / "predictions.jsonl", CLICKS: directory / "clicks.jsonl"}
    _write_lines(paths[PREDICTIONS], predictions(stream))
    _write_lines(paths[CLICKS], clicks(stream))
    paths["truth"] = directory / "truth.json"
    paths["truth"].write_bytes(msgspec.json.format(msgspec.json.encode(stream.truth)) + b"\n")
    return Written(paths, len(stream), len(stream.clicked), stream.truth)


def _write_lines(path: Path, lines: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        while chunk := list(islice(lines, _LINES_A_CHUNK)):
            chunk.append(b"")
            file.write(b"\n".join(chunk))


def _label(truth: Truth) -> str:
    seed = "null" if truth.seed is None else str(truth.seed)
    return f'"source":"{truth.source}","seed":{seed}'


def _name(truth: Truth) -> str:
    return "" if truth.seed is None else str(truth.seed)
