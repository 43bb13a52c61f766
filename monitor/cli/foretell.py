"""What `check` says of each watch's reach and of the cost, from traffic that is given or was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import typer
from rich.text import Text

from detectors.comparison import Comparison
from monitor import app as house
from monitor.alerting.compared import reworded
from monitor.cli.terminal import EXIT_CONFIG, err, out
from monitor.clock import SystemClock
from monitor.store.protocols import StoreError
from monitor.watch import reach
from monitor.watch.cost import cost
from monitor.watch.finding import Finding
from monitor.watch.in_turn import alpha_of, at_share, place, share_in
from monitor.watch.plan import ModelPlan, WatchPlan
from monitor.watch.reach import Traffic

_FINDINGS = 1_000
_ASSOCIATED = {
    None: 'without cohorts everything found is "associated only"',
    Comparison.SLICE: 'with nobody held out, what people do is not compared, and their part in what is found is "associated only"',
}


def given(units: float | None, new: float | None, means: Sequence[str], metrics: Mapping[str, str]) -> Traffic | None:
    """The traffic of the options, or an end with what is wrong with them; None if none was given.

    `metrics` are the values of the config's metrics by name: any, count or sum.
    """
    if units is None:
        if new is not None or means:
            _refuse("--new-per-day and --mean need --units-per-day: people a day")
        return None
    known: dict[str, float] = {}
    for each in means:
        name, _, value = each.partition("=")
        try:
            known[name] = float(value.rstrip("%")) / (100 if value.endswith("%") else 1)
        except ValueError:
            _refuse(f"--mean {each!r}: write METRIC=MEAN, for instance reads=12% or reads=0.12")
        if name not in metrics:
            _refuse(f"--mean {each!r}: no metric is named {name!r}; there are {', '.join(sorted(metrics)) or 'none'}")
        if metrics[name] != "any":
            _refuse(f"--mean {each!r}: {name} is a {metrics[name]}; what it finds depends on its spread: try --history")
        if not 0 < known[name] < 1:
            _refuse(f"--mean {each!r}: a mean lies between 0 and 1")
    return Traffic(units, units if new is None else min(new, units), known)


def _refuse(sentence: str) -> None:
    err.print(Text(sentence))
    raise typer.Exit(EXIT_CONFIG)


def tell(read: house.Config, plan: ModelPlan, traffic: Traffic | None, events: float | None) -> None:
    """Print the reach of every watch, the share of a holdout worth having where there is none, and the cost."""
    out.print(Text("  what each finds within 28 days, four times of five:"))
    try:
        store = None if traffic is not None else house.look_into(read.database, SystemClock())
    except StoreError as error:
        store = None
        err.print(Text(str(error)))
    told, silent = False, dict[str, list[str]]()
    for planned in plan.watches:
        findings = [] if store is None else store.findings(plan.model, planned.key, limit=_FINDINGS)
        pace = traffic.pace(planned) if traffic is not None else reach.seen(findings)
        if pace is None:
            continue
        watch, level = at_its_level(plan, planned, findings)
        found = reach.reach(watch, pace)
        if found.unknown:
            silent.setdefault(found.unknown, []).append(watch.key)
        else:
            told = True
            words = reach.in_words(watch, pace, found)
            said = words if watch.experiment else reworded(words, plan.compared)
            out.print(Text(f"    {watch.key}: {said}{level}"))
    if told:
        for sentence, watches in silent.items():
            out.print(Text(f"    {', '.join(watches)}: not foretold: {sentence}"))
    if store is not None:
        store.close()
    if not told:
        out.print(Text("    nothing has been seen yet: say --units-per-day, and --mean METRIC=MEAN for each metric"))
    if not plan.compares_people:
        _buy(plan, traffic)
    if traffic is not None:
        expected = traffic.units * (1 + len(plan.outcomes)) if events is None else events
        turn = read.loaded.settings.limits.turn
        out.print(
            Text(f"  at {expected:,.0f} events a day: {cost(plan, traffic, expected, turn).in_words()} (estimates)")
        )


def at_its_level(plan: ModelPlan, watch: WatchPlan, findings: Sequence[Finding]) -> tuple[WatchPlan, str]:
    """A watch at the level it has in turn, and words for that: as its last finding was tested, else by its place in the config."""
    order = place(plan, watch)
    if order is None:
        return watch, ""
    last = max(findings, key=lambda finding: finding.end, default=None)
    if last is not None and last.evidence.threshold is not None:
        share = min(10.0**-last.evidence.threshold / alpha_of(watch), 1.0)
        return at_share(watch, share), f", at {100 * share:.2g} % of false_discoveries"
    share = share_in(order)
    words = (
        f", at {100 * share:.2g} % of false_discoveries as number {order + 1} to start, if none before finds anything"
    )
    return at_share(watch, share), words


def _buy(plan: ModelPlan, traffic: Traffic | None) -> None:
    """What a holdout would be good for."""
    associated = _ASSOCIATED[plan.compared]
    if traffic is None or not traffic.means:
        out.print(
            Text(f"  {associated}; say --units-per-day and --mean METRIC=MEAN to hear which holdout would find 2 %")
        )
        return
    for metric in plan.metrics:
        if metric.name not in traffic.means:
            continue
        share = reach.share_that_buys(0.02, traffic.means[metric.name], traffic.new, window=plan.slot)
        if share is None:
            out.print(
                Text(
                    f"  {associated}; not even half of people held out would find a 2 % fall in {metric.name} within 28 d"
                )
            )
        else:
            out.print(
                Text(
                    f"  {associated}; {100 * share:g} % of people held out would find a 2 % fall in {metric.name} within 28 d"
                )
            )
