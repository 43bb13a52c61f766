"""Small pictures for alerts: both cohorts over time, the change marked; a green dashboard and what it hides. The home of matplotlib.

matplotlib belongs to the extra `plot` and is imported when the first picture is drawn. Figures are made without pyplot:
nothing global is touched, and a figure is gone when its function returns.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_EXPOSED, _HOLDOUT, _CHANGE, _SOFT, _GREEN = "#b3261e", "#0b57a4", "#1b1f24", "#57606a", "#1a7f37"
_INCHES, _DPI = (6.4, 4.0), 125
_LONGEST_LABEL = 90
_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
_TICK_STEPS_MS = (
    *(minutes * _MINUTE_MS for minutes in (1, 5, 15, 30)),
    *(hours * _HOUR_MS for hours in (1, 3, 6, 12)),
    *(days * _DAY_MS for days in (1, 2, 7, 14, 28, 91, 364)),
)
_MOST_TICKS = 8


class PlotUnavailable(Exception):
    """Pictures need the extra: `pip install "loopwatch[plot]"`. The message goes without one."""


@dataclass(frozen=True, slots=True)
class Point:
    """One window: its end (event time, ms) and the measured value of each arm, NaN if it has none.

    `low`, `high`: interval of the difference exposed minus holdout, where the evidence has one.
    """

    end: int
    exposed: float
    holdout: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Beneath:
    """One period, as shares of the first one: engagement, and different items seen, by exposed and held-out people; NaN if unknown."""

    end: int
    engagement_exposed: float
    engagement_holdout: float
    items_exposed: float
    items_holdout: float


def green_dashboard(
    points: Sequence[Beneath], *, title: str, metric: str, change_at: int | None = None, told_at: int | None = None
) -> bytes:
    """A PNG of 800 x 500 pixels: above engagement as a dashboard shows it, below the different items that people see.

    `points` in order of time, at least one. `change_at` and `told_at` (ms) are marked where given. Raises ValueError without
    points, PlotUnavailable without matplotlib.
    """
    if not points:
        raise ValueError("points: found none, a picture needs at least one period")
    figure = _figure()
    above, under = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.15))
    figure.suptitle(_plain(title), fontsize=12, x=0.02, ha="left", parse_math=False)
    shown = [(p.engagement_exposed, p.engagement_holdout) for p in points]
    hidden = [(p.items_exposed, p.items_holdout) for p in points]
    _draw_story(above, points, shown, f"{_plain(metric)}: what the dashboard shows", _GREEN)
    _draw_story(under, points, hidden, "different items seen: what it hides", _EXPOSED)
    above.set_ylim(0.0, 1.1 * max([1.2, *(v for pair in shown for v in pair if math.isfinite(v))]))
    under.set_ylim(0.0, 1.3)
    if change_at is not None and points[0].end <= change_at + _DAY_MS:
        for axes in (above, under):
            axes.axvline(change_at, color=_SOFT, linewidth=1.1, linestyle=":")
        _write(under, "change\nbegins", change_at, 0.82, "left", _SOFT)
    if told_at is not None:
        for axes in (above, under):
            axes.axvline(told_at, color=_CHANGE, linewidth=1.4)
        _write(under, "loopwatch tells", told_at, 0.9, "left", _CHANGE)
    return _png(figure)


def _draw_story(
    axes: Axes, points: Sequence[Beneath], pairs: Sequence[tuple[float, float]], what: str, colour: str
) -> None:
    """One panel: the exposed thick, the held out thin and dashed, each named at its end."""
    times = [point.end for point in points]
    axes.axhline(1.0, color="#d5dae0", linewidth=0.8)
    axes.plot(times, [h for _, h in pairs], color=_HOLDOUT, linewidth=1.3, linestyle="--")
    axes.plot(times, [e for e, _ in pairs], color=colour, linewidth=2.6, marker="o", markersize=4)
    _plain_axes(axes, [Point(p.end, math.nan, math.nan) for p in points])
    axes.set_title(what, fontsize=10, loc="left", color=colour, fontweight="bold", parse_math=False)
    last_exposed, last_holdout = pairs[-1]
    nudge = 0.06 if last_exposed > last_holdout else -0.06
    for name, value, shade, moved in (
        ("exposed", last_exposed, colour, nudge),
        ("held out", last_holdout, _HOLDOUT, -nudge),
    ):
        if math.isfinite(value):
            axes.annotate(
                f" {name} {100 * (value - 1):+.0f} %",
                (times[-1], value + moved),
                fontsize=9,
                color=shade,
                va="center",
                annotation_clip=False,
            )
    axes.set_yticks([0.0, 0.5, 1.0], ["0", "half", "at first"])
    axes.set_xlim(times[0] - 0.15 * _DAY_MS, times[-1] + 0.24 * (times[-1] - times[0]) + 1)


def _write(axes: Axes, text: str, at: int, height: float, side: Literal["left", "right"], colour: str) -> None:
    axes.annotate(
        text,
        (at, height),
        xycoords=("data", "axes fraction"),
        xytext=(4 if side == "left" else -4, 0),
        textcoords="offset points",
        ha=side,
        fontsize=9,
        color=colour,
    )


def _figure() -> Figure:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as missing:
        raise PlotUnavailable('pictures need the extra: pip install "loopwatch[plot]"') from missing
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def cohorts_over_time(points: Sequence[Point], *, title: str, unit: str, change_at: int | None = None) -> bytes:
    """A PNG of 800 x 500 pixels: above both cohorts, below exposed minus holdout with its interval.

    `points` in order of time, at least one; `title` one sentence; `unit` names the y axis; `change_at` (ms) is marked if it
    lies within the picture. Texts are shown as they are, never as markup. Raises ValueError without points, PlotUnavailable
    without matplotlib.
    """
    if not points:
        raise ValueError("points: found none, a picture needs at least one window")
    figure = _figure()
    cohorts, difference = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    figure.suptitle(_plain(title), fontsize=11, x=0.02, ha="left", parse_math=False)
    _draw_cohorts(cohorts, points, unit)
    _draw_difference(difference, points)
    if change_at is not None and points[0].end <= change_at <= points[-1].end:
        is_late = 2 * change_at > points[0].end + points[-1].end
        _mark_change(cohorts, difference, change_at, "right" if is_late else "left")
    return _png(figure)


def _draw_cohorts(axes: Axes, points: Sequence[Point], unit: str) -> None:
    times = [point.end for point in points]
    axes.plot(
        times, [p.exposed for p in points], color=_EXPOSED, marker="o", markersize=3, linewidth=1.4, label="exposed"
    )
    axes.plot(
        times,
        [p.holdout for p in points],
        color=_HOLDOUT,
        marker="s",
        markersize=3,
        linewidth=1.4,
        linestyle="--",
        label="holdout",
    )
    axes.set_ylabel(_plain(unit), fontsize=9, parse_math=False)
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="lower left")
    _plain_axes(axes, points)


def _draw_difference(axes: Axes, points: Sequence[Point]) -> None:
    times = [point.end for point in points]
    low = [_number(point.low) for point in points]
    high = [_number(point.high) for point in points]
    axes.axhline(0.0, color=_SOFT, linewidth=0.8)
    if any(map(math.isfinite, low)):
        axes.fill_between(times, low, high, color=_EXPOSED, alpha=0.18, linewidth=0, label="interval")
        axes.legend(fontsize=8, frameon=False, loc="lower left")
    axes.plot(times, [p.exposed - p.holdout for p in points], color=_EXPOSED, marker="o", markersize=3, linewidth=1.2)
    axes.set_ylabel("exposed minus\nholdout", fontsize=9)
    _plain_axes(axes, points)


def _mark_change(cohorts: Axes, difference: Axes, change_at: int, side: Literal["left", "right"]) -> None:
    at = datetime.fromtimestamp(change_at / 1000, UTC)
    for axes in (cohorts, difference):
        axes.axvline(change_at, color=_CHANGE, linewidth=1.1, linestyle=":")
    cohorts.annotate(
        f"since about {at:%d %b %H:%M} UTC",
        (change_at, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(4 if side == "left" else -4, -3),
        ha=side,
        textcoords="offset points",
        va="top",
        fontsize=8,
        color=_CHANGE,
    )


def _plain_axes(axes: Axes, points: Sequence[Point]) -> None:
    first, last = points[0].end, points[-1].end
    room = max((last - first) * 0.03, 60_000)
    step = next((step for step in _TICK_STEPS_MS if (last - first) / step <= _MOST_TICKS), last - first)
    ticks = range(-(-first // step) * step, last + 1, step)
    axes.set_xlim(first - room, last + room)
    axes.set_xticks(ticks, [_label(tick, step) for tick in ticks])
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#d5dae0", linewidth=0.6)
    axes.margins(y=0.15)


def _label(ms: int, step: int) -> str:
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{at:%d %b}" if step % _DAY_MS == 0 else f"{at:%d %b}\n{at:%H:%M}"


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _plain(text: str) -> str:
    """`text` on one line, cut to size, with a `?` for what the font cannot show."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    known = get_font(findfont(FontProperties())).get_charmap()
    cut = text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return "".join(letter if ord(letter) in known and letter.isprintable() else "?" for letter in cut)
