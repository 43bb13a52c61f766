"""The overview as one HTML page: pure, no script, every text escaped, readable on a phone and without colours."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from html import escape

from monitor.web.health import Part
from monitor.web.overview import ModelSection, Overview, State, WatchRow

REFRESH_SECONDS = 30
_EARLIEST_MS, _LATEST_MS = 0, 253_402_300_799_999

_WORD = {state: str(state).replace("_", " ") for state in State}
_MARK = {
    State.FIRING: "\N{BLACK UP-POINTING TRIANGLE}",
    State.PENDING: "\N{WHITE UP-POINTING TRIANGLE}",
    State.BLIND: "\N{CIRCLED TIMES}",
    State.STALE: "\N{WHITE SQUARE}",
    State.NOT_COMPUTABLE: "\N{EMPTY SET}",
    State.INSUFFICIENT: "\N{HORIZONTAL ELLIPSIS}",
    State.LEARNING: "\N{CIRCLE WITH LEFT HALF BLACK}",
    State.RESOLVED: "\N{WHITE CIRCLE}",
    State.OK: "\N{BLACK CIRCLE}",
}

_STYLE = """
:root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--soft:#57606a;--line:#d5dae0;--card:#f6f8fa;
--bad:#b3261e;--warn:#8a5300;--unsure:#6b3fa0;--calm:#0b57a4;--good:#1a6b35}
@media(prefers-color-scheme:dark){:root{--back:#14171b;--text:#e4e8ec;--soft:#9aa4af;--line:#343b43;--card:#1c2127;
--bad:#ff8a80;--warn:#f0b35a;--unsure:#c9a6f5;--calm:#82b8f5;--good:#7fd196}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:84rem;padding:1rem;background:var(--back);color:var(--text);
font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.3rem;margin:0}h2{font-size:1.1rem;margin:0}
header,section{margin-bottom:1.5rem}
.soft{color:var(--soft);font-size:.9rem}
.sum{margin:.3rem 0}
ul{list-style:none;margin:.6rem 0 0;padding:0;display:flex;flex-wrap:wrap;gap:.4rem}
li{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.2rem .6rem;font-size:.9rem}
table{width:100%;border-collapse:collapse;margin-top:.6rem}
th,td{text-align:left;vertical-align:top;padding:.45rem .8rem .45rem 0;border-bottom:1px solid var(--line)}
thead th{color:var(--soft);font-weight:500;font-size:.85rem}
tbody th{font-weight:600;min-width:13rem}
thead th,td.state,time{white-space:nowrap}
.num{font-variant-numeric:tabular-nums;min-width:9.5rem}
b{font-weight:600}
.firing,.no{color:var(--bad)}.pending{color:var(--warn)}
.blind,.stale,.not_computable,.insufficient{color:var(--unsure)}
.learning,.resolved{color:var(--calm)}.ok{color:var(--good)}
.note{border-left:3px solid var(--bad);padding-left:.6rem;margin:.5rem 0 0}
@media(max-width:52rem){thead{position:absolute;left:-999rem}
table,tbody,tr,tbody th,td{display:block;width:100%;min-width:0}
tr{border:1px solid var(--line);border-radius:.5rem;background:var(--card);padding:.5rem .7rem;margin-bottom:.6rem}
th,td{border:0;padding:.1rem 0}td:empty{display:none}
td[data-of]::before{content:attr(data-of) " ";color:var(--soft);font-size:.85rem}}
"""


def render(overview: Overview) -> str:
    """The whole document, for `text/html; charset=utf-8`."""
    counts = Counter(row.state for section in overview.models for row in section.rows)
    summary = ", ".join(f"{counts[state]} {_WORD[state]}" for state in State if counts[state]) or "no watches yet"
    if failing := [name for name, part in overview.parts.items() if not part.ok]:
        summary = f"loopwatch itself is not ok ({', '.join(failing)}); {summary}"
    body = "".join(_model(section) for section in overview.models) or "<p>No model has been configured.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">'
        f"<title>{escape(summary)} - loopwatch</title><style>{_STYLE}</style></head><body>"
        f'<header><h1>loopwatch</h1><p class="sum">{escape(summary)}</p>'
        f'<p class="soft sum">version {escape(overview.version)}, as of {_time(overview.made_at)}</p>'
        f"<ul>{''.join(_part(name, part) for name, part in overview.parts.items())}</ul></header>"
        f"<main>{body}</main></body></html>"
    )


def _part(name: str, part: Part) -> str:
    word, style = ("ok", "ok") if part.ok else ("not ok", "no")
    reason = f": {escape(part.reason)}" if part.reason else ""
    return f'<li>{escape(name)} <b class="{style}">{word}</b>{reason} <span class="soft">since {_time(part.since)}</span></li>'


def _model(section: ModelSection) -> str:
    judged = f"judged up to {_time(section.judged_to)}" if section.judged_to is not None else "no window has closed yet"
    note = f'<p class="note">{escape(section.note)}</p>' if section.note else ""
    return (
        f'<section><h2>{escape(section.model)}</h2><p class="soft sum">{judged}</p>{note}'
        '<table><thead><tr><th scope="col">watch</th><th scope="col">state</th><th scope="col">since</th>'
        '<th scope="col">effect</th><th scope="col">units</th><th scope="col">why</th></tr></thead>'
        f"<tbody>{''.join(map(_row, section.rows))}</tbody></table></section>"
    )


def _row(row: WatchRow) -> str:
    severity = f" ({escape(row.severity)})" if row.severity else ""
    since = _time(row.since) if row.since is not None else ""
    return (
        f'<tr><th scope="row">{escape(row.watch)}</th>'
        f'<td class="state"><b class="{row.state}"><span aria-hidden="true">{_MARK[row.state]}</span> '
        f"{_WORD[row.state]}</b>{severity}</td>"
        f'<td data-of="since">{since}</td><td class="num" data-of="effect">{escape(row.effect)}</td>'
        f'<td class="num" data-of="units">{escape(row.counts)}</td><td>{escape(row.reason)}</td></tr>'
    )


def _time(ms: int) -> str:
    if not _EARLIEST_MS <= ms <= _LATEST_MS:
        return "an impossible time"
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%Y-%m-%d %H:%M} UTC</time>'
