"""What one model's engine remembers between turns, and how it is written down.

Everything durable is in one of these rooms of pages, in chunks, or in alerts:

    progress   one page: lanes, clocks, counters, gates, versions, arrivals not yet closed, what was rejected
    units      runs of the table of enrolled units;  voters: the same for the current day
    voters.*   the same as voters, by outcome, for predictions at their maturity
    sums       per watch and incarnation, runs of the table of what each unit has done so far
    ids        per slot, prediction ids seen: against repeats in a later slot
    drops      per slot, ids that a sealed slot had to leave out because an earlier one had them
    engine     per watch and incarnation, the detector's state
    dashboard  one page: what the composite alert is made of
    open       per watch and incarnation, the statistic of a window that is still open
    sides      per watch, incarnation and rule of cohorts, its figure in both cohorts: the baseline, and a page a span
    hours      what came in each hour of the last weeks;  days: the items of each day;  configs: when the config changed

A memory belongs to one turn at a time. When a commit fails it is thrown away and loaded again; `load` of what was committed
equals the memory that committed it.
"""

from monitor.memory.banks import Bank, OpenWindow, pages_of
from monitor.memory.dashboard import keep_dashboard
from monitor.memory.enrolment import ENROLLED, as_decoded, enrol
from monitor.memory.followed import forget as forget_log
from monitor.memory.loading import load
from monitor.memory.model import ARRIVALS, IN_EXPERIMENTS, Missing, ModelMemory, Source, Span
from monitor.memory.progress import PlanChanged, pack_progress, refuse_other_key, refuse_other_lengths
from monitor.memory.steps import build_step

__all__ = [
    "ARRIVALS",
    "ENROLLED",
    "IN_EXPERIMENTS",
    "Bank",
    "Missing",
    "ModelMemory",
    "OpenWindow",
    "PlanChanged",
    "Source",
    "Span",
    "as_decoded",
    "build_step",
    "enrol",
    "forget_log",
    "keep_dashboard",
    "load",
    "pack_progress",
    "pages_of",
    "refuse_other_key",
    "refuse_other_lengths",
]
