"""Words about values that were found in an event, safe to print: short, and without control characters."""

from __future__ import annotations

from monitor.ingest.mapping import Kind

LONGEST = 60
"""Characters of a value that a reason quotes at most."""

TIME_ALLOWED = "RFC 3339 text with a zone, or a number"
ALLOWED = {
    Kind.HASH: "text or an integer",
    Kind.NUMBER: "a number, true or false",
    Kind.SHARE: "a number from 0 to 1",
    Kind.FLAG: "true, false, 0 or 1",
    Kind.CATEGORY: "text, an integer, true or false",
    Kind.VECTOR: "a list of numbers",
}
"""What a field of each kind may hold, in words."""


def printable(text: str) -> str:
    """`text` on one line: whatever is not printable, or would turn the direction of writing, as a visible escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(text: str) -> str:
    """`text` in quotes, cut to `LONGEST` characters, everything unprintable escaped.

    >>> quoted("two\\nlines")
    '"two\\\\nlines"'
    """
    escaped = printable(text[: LONGEST + 1])
    return f'"{escaped}"' if len(escaped) <= LONGEST else f'"{escaped[: LONGEST - 1]}…"'


def shown(value: object) -> str:
    """A JSON value as a reader of a reason sees it.

    >>> shown("abc"), shown([1, 2]), shown(None)
    ('the text "abc"', 'a list of 2', 'null')
    """
    match value:
        case None | bool():
            return "null" if value is None else str(value).lower()
        case str():
            return f"the text {quoted(value)}"
        case int() | float():
            digits = str(value)
            return f"the number {digits if len(digits) <= LONGEST else digits[: LONGEST - 1] + '…'}"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return "an object"
        case _:
            return type(value).__name__


def dotted(path: tuple[str, ...]) -> str:
    """A path as the config writes it, in quotes; of the empty path: "the value"."""
    return quoted(".".join(path)) if path else "the value"
