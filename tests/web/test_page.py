"""The page: complete, escaped, no script, words beside colours."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from monitor.web.health import Part
from monitor.web.overview import ModelSection, Overview, State, WatchRow
from monitor.web.page import render

HOSTILE = "<!channel> *x* <script>alert(1)</script>\"'&"


def page(*rows: WatchRow, model: str = "feed", note: str = "", parts: dict[str, Part] | None = None) -> str:
    return render(
        Overview(1_700_000_000_000, "0.1.0", parts or {}, [ModelSection(model, rows, 1_700_000_000_000, note)])
    )


class Reader(HTMLParser):
    """What a browser would see: tags that were opened and the text of the body."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not any(name.startswith("on") for name, _ in attrs)
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_a_word_and_not_only_a_colour(state: State) -> None:
    text = Reader(page(WatchRow("clicks", state))).text
    assert str(state).replace("_", " ") in text


@pytest.mark.parametrize("state", [State.INSUFFICIENT, State.BLIND, State.NOT_COMPUTABLE, State.STALE])
def test_a_watch_that_was_not_judged_is_never_shown_as_ok(state: State) -> None:
    html = page(WatchRow("clicks", state))
    assert not re.search(r"\bok\b", Reader(html).text)
    assert 'class="ok"' not in html


def test_a_summary_does_not_say_ok_alone_while_loopwatch_itself_is_not() -> None:
    text = Reader(
        page(WatchRow("clicks", State.OK), parts={"source": Part(False, "away", 0), "store": Part(True, "", 0)})
    ).text
    assert "loopwatch itself is not ok (source); 1 ok" in text


def test_hostile_names_are_shown_as_text_everywhere() -> None:
    row = WatchRow(HOSTILE, State.FIRING, 0, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    read = Reader(page(row, model=HOSTILE, note=HOSTILE, parts={HOSTILE: Part(False, HOSTILE, 0)}))
    assert "script" not in read.tags
    assert read.text.count(HOSTILE) == 11
    assert read.open == []


def test_the_summary_counts_states_worst_first() -> None:
    rows = [WatchRow("a", State.OK), WatchRow("b", State.FIRING), WatchRow("c", State.BLIND), WatchRow("d", State.OK)]
    assert "1 firing, 1 blind, 2 ok" in Reader(page(*rows)).text


def test_a_part_that_is_not_ok_says_so_with_reason_and_since() -> None:
    text = Reader(page(parts={"store": Part(False, "no connection", 1_700_000_000_000)})).text
    assert "store not ok: no connection since 2023-11-14 22:13 UTC" in text


def test_an_impossible_time_does_not_break_the_page() -> None:
    assert "an impossible time" in page(WatchRow("clicks", State.FIRING, since=10**30))
    assert "an impossible time" in page(WatchRow("clicks", State.FIRING, since=-1))


def test_an_empty_overview_says_that_there_is_nothing_yet() -> None:
    text = Reader(render(Overview(0, "0.1.0", {}, []))).text
    assert "no watches yet" in text
    assert "No model has been configured." in text


def test_the_page_needs_nothing_from_elsewhere() -> None:
    html = page(WatchRow("clicks", State.OK))
    assert "http://" not in html
    assert "https://" not in html
    assert "<link" not in html
    assert "url(" not in html
