"""What one model's engine does, compiled from its config: no names left to look up, nothing left to refuse."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b

from detectors.catalogue import DETECTORS
from detectors.columns import Cohort
from detectors.comparison import Comparison
from detectors.detector import AnyDetector, Needs, Params
from monitor.alerting.composite import DASHBOARD
from monitor.alerting.policy import Policy
from monitor.alerting.routing import Routing
from monitor.alerting.trend import Read
from monitor.ingest.mapping import PREDICTIONS, TRUTH, EventMapping
from monitor.join.joiner import Match
from monitor.watch.trials import ExperimentPlan

MINUTE = 60_000
DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class OutcomePlan:
    """One kind of outcome: how it is matched, its attribution window, ms, and the truth of a prediction without any.

    silence   0 or 1; None: nobody knows.
    """

    name: str
    match: Match
    within: int
    silence: float | None = None

    @property
    def truth(self) -> str:
        """The column that says what came of a prediction: the mean value of its outcomes."""
        return TRUTH + self.name


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """A value per prediction: whether there was any outcome, how many, or the sum of their values."""

    name: str
    outcome: str
    value: str


@dataclass(frozen=True, slots=True)
class Spend:
    """Expected false pages and warnings a watch may cost, per ms of event time."""

    page: float = 0.0
    warn: float = 0.0


@dataclass(frozen=True, slots=True)
class Caps:
    """How much may be remembered; what is beyond is kept out, counted and told.

    units     units enrolled, of one randomisation; and as many of a day's voters, and in each experiment.
    people    people of whom sums are kept, for each watch that needs them.
    ids       ids of predictions, against repeats.
    waiting   predictions that wait for their outcomes.
    """

    units: int = 20_000_000
    people: int = 5_000_000
    ids: int = 20_000_000
    waiting: int = 20_000_000


@dataclass(frozen=True, slots=True)
class RejectLimit:
    """The share of a stream's records that may be unusable, judged from `at_least` records on."""

    at_most: float = 0.05
    at_least: int = 50


@dataclass(frozen=True, slots=True)
class Learned:
    """What a watch starts with instead of learning: a packed state, its version, and how it fared in the dry run."""

    version: str
    state: bytes = field(repr=False)
    failed: str = ""


@dataclass(frozen=True)
class WatchPlan:
    """A detector placed on a stream.

    on        the column (or metric, or arrival stream) that becomes `value`; "" if the detector needs none.
    cohort    whose rows; None for all.
    about     what the numbers come from, as configured: fields, rules, matching; not topics, names or routes.
    reference what it starts with, where a person has adopted one.
    experiment  the experiment whose rows it looks at; "" for the model's own.
    window    ms of event time, a multiple of the model's; min_units: smaller windows are merged with the next.
    """

    key: str
    detector: str
    params: Params
    on: str
    window: int
    policy: Policy
    routing: Routing
    team: str
    cohort: Cohort | None = None
    min_units: int = 0
    spend: Spend = Spend()
    budget: str = ""
    about: str = ""
    reference: Learned | None = None
    experiment: str = ""

    @property
    def test(self) -> AnyDetector:
        """The detector."""
        return DETECTORS[self.detector]

    @cached_property
    def needs(self) -> Needs:
        """What the detector reads, with these parameters."""
        return self.test.needs(self.params)

    @cached_property
    def incarnation(self) -> str:
        """Changes whenever the state of an older plan must not be taken up: what is judged, and how."""
        extra = getattr(self.test, "fingerprint_extra", "")
        how = f"{self.detector}|{extra}|{self.params.model_dump_json()}|{self.window}|{self.min_units}"
        text = f"{how}|{self.on}|{self.cohort}|{self.about}"
        if self.reference is not None:
            text += f"|{self.reference.version}"
        return blake2b(text.encode(), digest_size=6).hexdigest()


@dataclass(frozen=True)
class DashboardPlan:
    """The composite of a model: keys of the watches whose alerts it gathers, and its readings of engagement."""

    parts: tuple[str, ...]
    reads: tuple[Read, ...]
    policy: Policy
    routing: Routing
    team: str
    budget: str = "a composite: it costs nothing of its own, for each of its parts has paid"
    key: str = DASHBOARD

    @cached_property
    def keys(self) -> frozenset[str]:
        """Watches that it listens to."""
        return frozenset(self.parts) | {read.watch for read in self.reads}

    @cached_property
    def incarnation(self) -> str:
        """Changes with what is read as engagement; parts come and go."""
        return blake2b(repr(self.reads).encode(), digest_size=6).hexdigest()


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """Everything the engine needs to know of a model. All times are ms.

    slot         length of a generation of rows: the shortest window.
    lateness     how late, against its own partition, an event may be.
    future       how far an event's time may lie after the record came: its stamp, and no later than our own clock.
    early        how much before its prediction an outcome may come (clocks differ).
    idle         wall time after which a caught-up partition no longer holds the watermark.
    duplicates   event time for which prediction ids are remembered.
    arrivals     length of an arrival window.
    rejects      more than this of a window's records rejected: its verdicts are stale.
    rehearsal    event time from the first event before anything pages.
    epoch        length of a randomisation, after which every unit is assigned afresh; None: one for ever.
    epoch_since  a time at which one began.
    dashboard    the composite over the loop family, where there is one.
    compared     what the exposed are compared with; None: with their own past alone.
    holdout_policies   values of the column `policy` that held-out units may be served by; None: nobody said.
    """

    model: str
    mappings: tuple[EventMapping, ...]
    slot: int
    lateness: int
    watches: tuple[WatchPlan, ...]
    outcomes: tuple[OutcomePlan, ...] = ()
    metrics: tuple[MetricPlan, ...] = ()
    experiments: tuple[ExperimentPlan, ...] = ()
    future: int = 5 * MINUTE
    early: int = 2 * MINUTE
    idle: int = MINUTE
    duplicates: int = 60 * MINUTE
    arrivals: int = MINUTE
    rejects: RejectLimit = RejectLimit()
    rehearsal: int = 14 * DAY
    epoch: int | None = None
    epoch_since: int = 0
    caps: Caps = Caps()
    runbook: str = ""
    compared: Comparison | None = None
    holdout_policies: tuple[str, ...] | None = None
    hash_key: bytes = field(default=b"", repr=False)
    dashboard: DashboardPlan | None = None
    not_watched: tuple[str, ...] = ()

    @property
    def compares_people(self) -> bool:
        """Whether people are drawn at random to be compared with the exposed."""
        return self.compared in (Comparison.HOLDOUT, Comparison.OLD_VERSION)

    def wait(self, outcome: OutcomePlan) -> int:
        """How long after its end a slot closes in an outcome's lane, ms.

        Whole slots, so that every later showing that may matter is sealed by then.
        """
        wait = outcome.within + self.early
        return wait + -wait % self.slot

    @property
    def assigned_by(self) -> str:
        """Changes whenever people are in their cohorts by another rule: what was known of them is void then."""
        rule = next((m.cohort for m in self.mappings if m.stream == PREDICTIONS), None)
        return blake2b(repr(rule).encode(), digest_size=6).hexdigest()

    def watch_names(self) -> tuple[str, ...]:
        """What findings and alerts of this model are filed under: its watches, then the composite."""
        own = tuple(w.key for w in self.watches)
        return own if self.dashboard is None else (*own, self.dashboard.key)

    def streams(self) -> tuple[str, ...]:
        """Streams of events: predictions first, then every outcome."""
        return tuple(m.stream for m in self.mappings)

    def topics(self) -> frozenset[str]:
        """Topics that are read."""
        return frozenset(m.topic for m in self.mappings)
