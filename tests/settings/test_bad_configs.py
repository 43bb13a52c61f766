"""Every file under bad/ begins with the sentences that it must be refused with, one a comment line."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import pytest

from monitor.settings import ConfigErrors, load

BAD = sorted((Path(__file__).parent / "bad").glob("*.yaml"))


def sentences(path: Path) -> list[str]:
    try:
        errors = load(path, {}).faults
    except ConfigErrors as refused:
        errors = list(refused.errors)
    return [error.sentence.replace(f"{path.parent}/", "") for error in errors]


@pytest.mark.usefixtures("only_probe")
@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_config_is_refused_with_the_sentences_that_it_begins_with(path: Path) -> None:
    lines = path.read_text().splitlines()
    expected = [line.removeprefix("# ") for line in takewhile(lambda line: line.startswith("# "), lines)]
    assert expected
    assert sentences(path) == expected


def test_there_are_bad_configs_to_try() -> None:
    assert len(BAD) > 40


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_no_sentence_shows_what_stands_in_the_place_of_a_secret(path: Path) -> None:
    assert "example-only" not in "\n".join(sentences(path))
