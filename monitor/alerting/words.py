"""Text for people: foreign names made harmless in Slack's markup, numbers, durations and moments.

Foreign text is shown as text: `&`, `<` and `>` become entities; the characters that Slack and other chats read as markup
or as a mention become look-alikes, so that no rendering can give them back their meaning.
"""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, datetime
from itertools import pairwise
from urllib.parse import urlsplit

_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_LOOK_ALIKES = str.maketrans({"*": "\u2217", "~": "\u223c", "`": "\u02cb", "@": "\uff20"})
_LOW_LINE = "\uff3f"

DISTANCE = "KS"
"""Unit of a distance between two distributions: a largest difference of shares, without a sign."""

_SHARE_UNITS = frozenset({"share", "fraction", "proportion", "probability", "rate"})


def one_line(text: str, longest: int) -> str:
    """Text without control, format or line-breaking characters, cut to `longest` characters (the last is then `…`)."""
    kept = (" " if unicodedata.category(c) in {"Cc", "Zl", "Zp"} else c for c in text[: 4 * longest])
    line = " ".join("".join(c for c in kept if unicodedata.category(c) not in {"Cf", "Cs", "Co"}).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def escape(text: str, longest: int = 80) -> str:
    """Foreign text, shown literally in Slack mrkdwn.

    An underscore inside a word stays; at a word's edge, where it would mark italics, it is replaced.

    >>> escape("<!channel> next_day")
    '&lt;!channel&gt; next_day'
    """
    line = f" {one_line(text, longest)} "
    flat = "".join(
        _LOW_LINE if here == "_" and not (before.isalnum() and after.isalnum()) else here
        for (before, here), (_, after) in pairwise(pairwise(line))
    )
    return flat.translate(_LOOK_ALIKES).replace("://", "\uff1a//").translate(_ENTITIES)


def code(text: str, longest: int = 300) -> str:
    """Text in a code span, where only the back-tick and the entities mean anything."""
    return f"`{one_line(text, longest).replace('`', chr(0x2CB)).translate(_ENTITIES)}`"


def link(url: str, label: str) -> str:
    """A Slack link if `url` is a plain web address, else the address as text."""
    safe = url.isascii() and url.isprintable() and not set(url) & set('<>|"` ') and len(url.translate(_ENTITIES)) <= 300
    if safe and urlsplit(url).scheme in {"http", "https"}:
        return f"<{url.translate(_ENTITIES)}|{escape(label)}>"
    return f"{escape(label)}: {escape(url)}"


def cut(escaped: str, longest: int) -> str:
    """Escaped text of at most `longest` characters, never ending inside an entity."""
    if len(escaped) <= longest:
        return escaped
    return re.sub(r"&[a-z]*$", "", escaped[: longest - 1]) + "…"


_NOTHING = 1e-12
"""Below this a difference is what is left of rounding."""


def decimals_for(width: float) -> int:
    """Decimals that show a quantity of this size with two digits, 0 to 6; 2 if the size is 0 or not finite."""
    if not math.isfinite(width) or width == 0:
        return 2
    return min(6, max(0, 1 - math.floor(math.log10(abs(width)))))


def number(value: float, decimals: int | None = None, *, sign: bool = False) -> str:
    """A number with thousands separated and three significant digits, or as many decimals as told.

    >>> number(1903412), number(0.04321), number(2.5e-9), number(5.15e-5, 4), number(-2.2e-16, sign=True)
    ('1,903,412', '0.0432', '2.5e-09', '0.0001', '0')
    """
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("-" if value < 0 else "") + "infinity"
    value = 0.0 if abs(value) < _NOTHING else value
    plus = "+" if sign and value > 0 else ""
    too_small = abs(value) < 1e-4 if decimals is None else decimals >= 6 and round(value, decimals) == 0
    if value != 0 and (too_small or abs(value) >= 1e12):
        return f"{plus}{value:.3g}"
    if decimals is None:
        digits = 0 if float(value).is_integer() else 2 - math.floor(math.log10(abs(value)))
        decimals = min(6, max(0, digits))
    text = f"{value:,.{decimals}f}"
    return plus + ("0" + text[2:] if text.startswith("-0") and not text.strip("-0.,") else text)


def percent(fraction: float, decimals: int | None = None, *, sign: bool = False) -> str:
    """A fraction in percent, two digits unless told otherwise.

    >>> percent(-0.41), percent(0.0623, sign=True), percent(0.0004)
    ('-41 %', '+6.2 %', '0.040 %')
    """
    scaled = 100 * fraction
    return f"{number(scaled, decimals_for(scaled) if decimals is None else decimals, sign=sign)} %"


def is_share(unit: str) -> bool:
    """Whether values of this unit are fractions of 1, shown in percent; their differences are points."""
    return unit.partition(" of ")[0] in _SHARE_UNITS or unit == DISTANCE


def cell(amount: float, unit: str, width: int, decimals: int | None = None) -> str:
    """A value for a table column of `width` >= 10 characters, without the name of its unit."""
    text = percent(amount, decimals) if is_share(unit) else number(amount, decimals)
    return text if len(text) <= width else f"{amount:.3g}"


def difference(amount: float, unit: str, decimals: int | None = None) -> str:
    """A signed difference; of shares, in percentage points; a distance has no sign. `decimals` counts in the unit shown.

    >>> difference(-0.021, "share"), difference(0.12, "KS"), difference(12.5, "ms")
    ('-2.1 points', '12 points apart', '+12.5 ms')
    """
    if is_share(unit):
        distance = unit == DISTANCE
        points = number(100 * amount, decimals_for(100 * amount) if decimals is None else decimals, sign=not distance)
        return f"{points} points" + (" apart" if distance else "")
    return f"{number(amount, decimals, sign=True)} {escape(unit, 20)}".rstrip()


def duration(ms: int) -> str:
    """A length of time in its two largest units.

    >>> duration(12_000_000), duration(0), duration(90_000_000)
    ('3 h 20 min', '0 s', '1 d 1 h')
    """
    seconds = abs(ms) // 1000
    sizes = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    for at, (name, size) in enumerate(sizes):
        if seconds >= size:
            rest = (seconds % size) // sizes[at + 1][1] if at + 1 < len(sizes) else 0
            return f"{seconds // size} {name}" + (f" {rest} {sizes[at + 1][0]}" if rest else "")
    return "0 s"


def moment(ms: int) -> str:
    """A moment in UTC; one that no calendar holds is shown as its number.

    >>> moment(1_763_352_000_000)
    '17 Nov 2025 04:00 UTC'
    """
    try:
        return f"{datetime.fromtimestamp(ms / 1000, UTC):%d %b %Y %H:%M} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{ms} ms since 1970"
