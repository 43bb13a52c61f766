"""`loopwatch remedies`: what may be done against a loop, tried in a simulated world fitted to the model's own figures."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from detectors.comparison import Comparison
from detectors.evidence import Standing
from monitor.cli.operate import opened, plan_of, request
from monitor.cli.terminal import DEFAULT_CONFIG, EXIT_FAULT, ConfigPath, err, out, progress_bar, read_config
from monitor.simulate.closed_loop import remedies as world
from monitor.simulate.closed_loop.remedies import Seen, Tried
from monitor.store.chain import REMEDIES
from monitor.store.protocols import Reader
from monitor.watch.plan import ModelPlan


def remedies(
    model: Annotated[str, typer.Argument(help="The model.")],
    config: ConfigPath = DEFAULT_CONFIG,
    seeds: Annotated[int, typer.Option(min=2, max=200, help="Runs of each remedy: more runs, narrower intervals.")] = 8,
) -> None:
    """Try exploration, propensity weights, a frozen model and a larger holdout in a simulation fitted to what was seen.

    The outcome is stored: the green dashboard's next message, and its row of `loopwatch status`, quote it.
    """
    read = read_config(config)
    plan = plan_of(read, model)
    with opened(read, look=True) as store:
        seen = seen_of(store, plan)
    if isinstance(seen, str):
        err.print(Text(f"{model}: {seen}"))
        raise typer.Exit(EXIT_FAULT)
    with progress_bar() as progress:
        temperature = list(progress.track(world.fit(seen), total=len(world.TEMPERATURES), description="fitting"))[-1]
        wanted = world.remedies(seen)
        trying = world.tried(seen, temperature, seeds)
        results = list(progress.track(trying, total=len(wanted), description="trying"))
    said = world.sentences(seen, results, seeds)
    out.print(_table(results))
    for sentence in said:
        out.print(Text(sentence))
    with opened(read) as store:
        arguments = {"sentences": list(said), "tried": msgspec.to_builtins(results), "temperature": temperature}
        request(store, model, REMEDIES, arguments)
    out.print(
        Text(f"stored; `loopwatch status --model {model} --watch green_dashboard` quotes it from the next turn on")
    )


def seen_of(store: Reader, plan: ModelPlan) -> Seen | str:
    """The figures of a model that a world can be fitted to, or what is lacking."""
    latest = {f.watch: f.evidence for f in store.latest(plan.model) if f.evidence.standing is Standing.OK}
    narrowing = next((w.key for w in plan.watches if w.detector == "concentration"), "")
    if narrowing not in latest or "exposed" not in latest[narrowing].arms:
        return (
            "how far exposure has narrowed is not known yet, and a world can be fitted to nothing else; "
            "see the watch concentration in `loopwatch status`"
        )
    known = latest[narrowing]
    judged = [f for f in store.findings(plan.model, narrowing, limit=400) if f.evidence.standing is Standing.OK]
    health = next((latest[w.key] for w in plan.watches if w.detector == "training_health" and w.key in latest), None)
    gain_watch = next((w for w in plan.watches if w.detector == "loop_gain"), None)
    gain = latest.get(gain_watch.key) if gain_watch is not None else None
    people = sum(known.n.values())
    bounded = gain is not None and gain.effect is not None and gain.interval is not None
    return Seen(
        items=int(health.detail.get("items", world.MOST_ITEMS)) if health is not None else world.MOST_ITEMS,
        people=people,
        periods=max(1, min(len(judged), 9)),
        items_left=known.arms["exposed"],
        explored=float(health.arms.get("explored", 0.0)) if health is not None else 0.0,
        holdout=known.n.get("holdout", 0) / people if people and plan.compared is Comparison.HOLDOUT else 0.0,
        gain=(gain.effect or 0.0, gain.interval.low, gain.interval.high)
        if bounded and gain is not None and gain.interval is not None
        else None,
        memory=int(getattr(gain_watch.params, "training_periods", 1)) if gain_watch is not None else 1,
        tolerated=0.3,
    )


def _table(results: list[Tried]) -> Table:
    table = Table(
        box=SIMPLE_HEAD, title="tried in a simulated world, 95 % intervals over its runs", title_justify="left"
    )
    for name in ("remedy", "loop gain", "different items left"):
        table.add_column(name)
    for r in results:
        gain = "not measurable" if r.gain is None else f"{r.gain[0]:.2f} [{r.gain[1]:.2f} to {r.gain[2]:.2f}]"
        left = " to ".join(f"{100 * x:.0f}" for x in r.items_left[1:])
        table.add_row(r.remedy.replace("%", " %"), gain, f"{100 * r.items_left[0]:.0f} % [{left}]")
    return table
