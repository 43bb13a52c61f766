"""The demo: real impressions, a planted harm, and what people would have been told; then the same log untouched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from detectors.evidence import Mode
from monitor.alerting.alert import Alert, Kind, Notification
from monitor.alerting.routing import Routing
from monitor.clock import Clock
from monitor.ingest.source import Source
from monitor.memory import ModelMemory
from monitor.replay import Lines, run
from monitor.simulate import open_bandit
from monitor.store.protocols import StateStore, Step
from monitor.turns import TurnLimits
from monitor.watch.finding import Finding
from monitor.watch.plan import ModelPlan

SEED = 20_191_124
IMPRESSIONS = 500_000
PLANT = open_bandit.Plant()

_ROOT = Path(__file__).resolve().parent


def config_path() -> Path:
    """The demo's config: deploy/examples/open-bandit.yaml of a checkout, or its copy in an installed package."""
    checkout = _ROOT.parent / "deploy" / "examples" / "open-bandit.yaml"
    return checkout if checkout.exists() else _ROOT / "simulate" / "data" / "open-bandit.yaml"


@dataclass
class Story:
    """What one replay told.

    messages   notifications in the order in which they would have been sent.
    alerts     every alert's last state, by id.
    latest     the newest finding of every watch.
    """

    messages: list[Notification] = field(default_factory=list)
    alerts: dict[str, Alert] = field(default_factory=dict)
    latest: dict[str, Finding] = field(default_factory=dict)
    records: int = 0


def with_destinations(plan: ModelPlan) -> ModelPlan:
    """The plan, told to one destination that only the demo knows."""
    routing = Routing(page=("slack",), digest=("slack",))
    board = None if plan.dashboard is None else replace(plan.dashboard, routing=routing)
    return replace(plan, watches=tuple(replace(w, routing=routing) for w in plan.watches), dashboard=board)


def files_of(written: open_bandit.Written, plan: ModelPlan) -> dict[str, list[Path]]:
    """The files of a written stream by the plan's topics."""
    topics = {m.stream: m.topic for m in plan.mappings}
    return {
        topics["predictions"]: [written.paths[open_bandit.PREDICTIONS]],
        topics["click"]: [written.paths[open_bandit.CLICKS]],
    }


def tell(
    plan: ModelPlan,
    source: Source,
    store: StateStore,
    clock: Clock,
    folder: Path,
    *,
    on_message: Callable[[Notification], None],
    on_progress: Callable[[int], None],
    on_finding: Callable[[Finding], None] = lambda _: None,
) -> Story:
    """Replay one stream; every message is handed over as it arises, progress as records read since the last call."""
    story, lines = Story(), Lines(folder)

    def heard(memory: ModelMemory, step: Step) -> None:
        lines(memory, step)
        read = sum(step.offsets.values())
        on_progress(read - story.records)
        story.records = read
        story.alerts.update({a.id: a for a in step.alerts})
        story.latest.update({f.watch: f for f in step.findings})
        for finding in step.findings:
            on_finding(finding)
        for notification in step.outbox:
            story.messages.append(notification)
            on_message(notification)

    run(
        [plan],
        {plan.model: source},
        store,
        clock,
        on_step=heard,
        limits=TurnLimits(records=25_000),
    )
    lines.close()
    return story


def fired(story: Story) -> list[Notification]:
    """Messages that opened an alert."""
    return [n for n in story.messages if n.kind is Kind.FIRING]


def could_have_seen(finding: Finding) -> str:
    """What a silent comparison of cohorts would have noticed, in words."""
    evidence = finding.evidence
    counts = " and ".join(f"{n:,} {arm}" for arm, n in evidence.n.items())
    if evidence.mode is Mode.LEARNING or evidence.interval is None or evidence.effect is None:
        return f"{finding.watch}: {counts or 'no units'}; {evidence.reason or 'nothing could be judged'}"
    points = 100 * (evidence.interval.high - evidence.interval.low) / 2
    return (
        f"{finding.watch}: {counts} people; exposed minus holdout {100 * evidence.effect:+.2f} points, "
        f"[{100 * evidence.interval.low:+.2f}, {100 * evidence.interval.high:+.2f}] at every look. "
        f"With this many people a difference below {points:.2f} points cannot be told from chance."
    )
