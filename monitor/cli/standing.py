"""How a model's watches stand, as a table that a terminal of 80 columns shows whole."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from monitor.alerting.words import moment
from monitor.web.overview import ModelSection, State, WatchRow

_COLOUR = {State.OK: "green", State.FIRING: "bold red", State.PENDING: "yellow", State.RESOLVED: "green"}


def standing(section: ModelSection, watch: str = "") -> Table:
    """A row a watch, or the one row of `watch`; above them the end of the newest window: what is older than that is not known."""
    judged = "no window has closed yet" if section.judged_to is None else f"judged up to {moment(section.judged_to)}"
    table = Table(
        title=Text(f"{section.model}, {judged}"), title_justify="left", box=SIMPLE_HEAD, collapse_padding=True
    )
    for name in ("watch", "state", "what is known"):
        table.add_column(name, overflow="fold", no_wrap=name != "what is known")
    for row in section.rows:
        if watch in ("", row.watch):
            table.add_row(
                Text(row.watch),
                Text(str(row.state).replace("_", " "), style=_COLOUR.get(row.state, "yellow")),
                Text(_known(row)),
            )
    return table


def _known(row: WatchRow) -> str:
    since = f"since {moment(row.since)}" if row.since is not None else ""
    return "; ".join(part for part in (since, row.effect, row.counts, row.reason) if part)
