"""The memory that an image stands for, as far as the plan still wants it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from detectors import snapshot
from detectors.columns import Cohort, Columns
from monitor.alerting.alert import Alert
from monitor.alerting.closing import WATCH_REMOVED, WATCH_RESTARTED, close
from monitor.ingest.mapping import PREDICTIONS
from monitor.ingest.remapped import as_mapped
from monitor.join.clocks import NEVER
from monitor.join.pending import Pending, unpack_rows
from monitor.join.sums import SumTable
from monitor.join.units import UnitTable
from monitor.memory import followed
from monitor.memory.banks import Bank, OpenWindow, beside, named
from monitor.memory.dashboard import restore_dashboard
from monitor.memory.enrolment import enrol
from monitor.memory.model import ARRIVALS, IN_EXPERIMENTS, SUMS, UNITS, VOTERS, ModelMemory
from monitor.memory.progress import PlanChanged, restore_progress
from monitor.store.protocols import Image
from monitor.watch.plan import DAY, DashboardPlan, ModelPlan, WatchPlan
from monitor.watch.trials import seen_by_people


def _units_room(plan: ModelPlan) -> str:
    """Units are enrolled by a randomisation; under another rule all that was known of them is void."""
    return UNITS if plan.epoch is None else f"{UNITS}.{plan.epoch}.{plan.epoch_since}"


def load(plan: ModelPlan, image: Image) -> ModelMemory:
    """The memory that an image stands for, as far as the plan still wants it.

    States and open windows of watches that the plan no longer has, or has with other parameters, are dropped with the next
    step, and so are their alerts and rows of streams that are gone. Raises `PlanChanged` if the model's window is another
    one, or if what is stored is damaged or was written by a release that kept it otherwise.
    """
    try:
        return _loaded(plan, image)
    except PlanChanged:
        raise
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise PlanChanged(
            f"{plan.model}: what is stored of it cannot be read ({type(error).__name__}: {error}); it is damaged, or another release "
            "wrote it. Run that release, restore a backup, or give the model another name to start afresh"
        ) from error


def _loaded(plan: ModelPlan, image: Image) -> ModelMemory:
    pages = {(p.room, p.key): p.data for p in image.pages if p.data is not None}
    memory = ModelMemory(
        plan,
        Pending(plan.slot),
        UnitTable(_units_room(plan), plan.caps.units, plan.epoch, plan.epoch_since),
        UnitTable(VOTERS, plan.caps.units, DAY),
        dict(_sums(plan)),
        {},
        matured=_voters_at_maturity(plan),
        enrolled={e.name: UnitTable(e.room, plan.caps.units) for e in plan.experiments},
        number=image.number,
        offsets=dict(image.offsets),
    )
    same_rule = restore_progress(memory, pages)
    for table in memory.tables():
        own = {key: data for (room, key), data in pages.items() if room == table.name}
        if table is memory.units and not same_rule:
            for key in own:
                memory.page(table.name, key, None)
        else:
            table.restore(own)
    known = {table.name for table in memory.tables()}
    for room, key in pages:
        if room.partition(".")[0] in (UNITS, VOTERS, IN_EXPERIMENTS) and room not in known:
            memory.page(room, key, None)
    _restore_sums(memory, {key: data for (room, key), data in pages.items() if room == SUMS})
    memory.ids = {int(key): snapshot.unpack(data) for (room, key), data in pages.items() if room == "ids"}
    _restore_watches(memory, pages)
    restore_dashboard(memory, pages)
    followed.restore(memory, pages)
    _restore_rows(memory, image, pages, same_rule=same_rule)
    for alert in image.alerts:
        _restore_alert(memory, alert, image.heard.get(alert.id, ()))
    return memory


def _sums(plan: ModelPlan) -> Iterator[tuple[str, SumTable]]:
    """The tables of watches that read sums by unit: of their own metric, and of the one beside it."""
    for watch in plan.watches:
        if watch.needs.past is not None:
            yield watch.key, SumTable(named(watch), plan.caps.people, watch.needs.past)
            if watch.needs.beside:
                yield beside(watch.key), SumTable(beside(named(watch)), plan.caps.people, watch.needs.past)


def _voters_at_maturity(plan: ModelPlan) -> dict[str, UnitTable]:
    """A table for each outcome whose truth, or a metric of which, is watched by votes."""
    watched = {w.on for w in plan.watches if "voting" in w.needs.columns}
    of_metrics = {m.outcome for m in plan.metrics if m.name in watched}
    return {
        o.name: UnitTable(f"{VOTERS}.{o.name}", plan.caps.units, DAY)
        for o in plan.outcomes
        if o.truth in watched or o.name in of_metrics
    }


def _restore_sums(memory: ModelMemory, pages: dict[str, bytes]) -> None:
    """Sums of the plan's watches, each page under its watch; those of other watches are dropped."""
    own: dict[str, dict[str, bytes]] = {table.name: {} for table in memory.sums.values()}
    for key, data in pages.items():
        watch, _, page = key.rpartition("|")
        if watch in own:
            own[watch][page] = data
        else:
            memory.page(SUMS, key, None)
    for table in memory.sums.values():
        table.restore(own[table.name])


def _restore_watches(memory: ModelMemory, pages: dict[tuple[str, str], bytes]) -> None:
    watches = {named(w): w for w in memory.plan.watches}
    by_test: dict[str, list[WatchPlan]] = {}
    for watch in memory.plan.watches:
        by_test.setdefault(watch.detector, []).append(watch)
    for name, members in by_test.items():
        test = members[0].test
        states = []
        for watch in members:
            data = pages.get(("engine", named(watch)))
            if data is None and watch.reference is not None:
                data = watch.reference.state
            states.append(snapshot.unpack_rows(test.state, [data]) if data is not None else test.start([watch.params]))
        memory.banks[name] = Bank(test, members, snapshot.stack_rows(states))
    for (room, key), data in pages.items():
        if room in ("engine", "open") and key not in watches:
            memory.page(room, key, None)
        elif room == "open":
            start, packed = snapshot.unpack(data)
            statistic = snapshot.unpack_record(watches[key].test.statistic, packed)
            memory.open[watches[key].key] = OpenWindow(start, statistic)


def _restore_rows(memory: ModelMemory, image: Image, pages: dict[tuple[str, str], bytes], *, same_rule: bool) -> None:
    """The rows that wait, as they are mapped now; dropped are those of streams that are gone, and predictions that only such a
    stream still waited for. Under another rule of cohorts, predictions that wait are of none, and are stored so.
    """
    streams = {mapping.stream: mapping for mapping in memory.plan.mappings}
    oldest = min((at for lane, at in memory.lanes.items() if lane != ARRIVALS), default=NEVER)
    for chunk in image.chunks:
        if chunk.stream not in streams or (chunk.stream == PREDICTIONS and chunk.slot < oldest):
            memory.turn.dropped.append((chunk.stream, chunk.slot))
            continue
        rows = as_mapped(unpack_rows(chunk.data), streams[chunk.stream])
        if not same_rule and chunk.stream == PREDICTIONS:
            rows = _of_no_cohort(rows, known=chunk.slot < memory.lanes.get(PREDICTIONS, NEVER))
        memory.pending.add(chunk.stream, chunk.slot, rows)
    if not same_rule:
        for slot in memory.pending.slots(PREDICTIONS):
            memory.turn.rewrite(PREDICTIONS, slot, memory.pending.rows(PREDICTIONS, slot))
    for slot in (int(key) for room, key in pages if room == "drops"):
        if slot < oldest:
            memory.page("drops", str(slot), None)
        else:
            memory.drops.add(slot)
    frontier = memory.lanes.get(PREDICTIONS)
    if frontier is None:
        return
    for slot in memory.pending.slots(PREDICTIONS):
        if slot < frontier:
            taken = pages.get(("drops", str(slot)))
            rows, _ = memory.pending.seal(
                PREDICTIONS, slot, "id", snapshot.unpack(taken) if taken is not None else np.zeros(0, np.uint64)
            )
            if len(rows):
                memory.pending.replace(PREDICTIONS, slot, enrol(memory, slot, seen_by_people(rows)))


def _of_no_cohort(rows: Columns, *, known: bool) -> Columns:
    """Predictions from before people were assigned anew. Those that are not `known` yet enrol nobody: they are of no unit, too."""
    unit = rows.unit if known else np.zeros_like(rows.unit)
    return replace(rows, unit=unit, cohort=np.full(len(rows), Cohort.UNASSIGNED, np.int8))


def _restore_alert(memory: ModelMemory, alert: Alert, heard: Sequence[str]) -> None:
    """Take up an open alert; one whose watch is gone, or another one now, is closed and told to who has heard of it."""
    plans: dict[str, WatchPlan | DashboardPlan] = {w.key: w for w in memory.plan.watches}
    if memory.plan.dashboard is not None:
        plans[memory.plan.dashboard.key] = memory.plan.dashboard
    watch = plans.get(alert.watch)
    if watch is not None and watch.incarnation == alert.finding.incarnation:
        memory.alerts[alert.watch] = alert
        return
    closed = close(alert, WATCH_REMOVED if watch is None else WATCH_RESTARTED, heard)
    memory.turn.alerts[alert.id] = closed.alert
    memory.turn.decisions.append(closed.decided)
    memory.turn.outbox.extend(closed.messages)
