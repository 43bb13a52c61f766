"""Files of a config that is followed: a change is told once, when it is written to its end."""

from __future__ import annotations

import os
from pathlib import Path

from monitor.following import Following


def write(path: Path, text: str, at: int) -> None:
    path.write_text(text)
    os.utime(path, ns=(at, at))


def test_a_change_is_told_once_and_only_when_it_has_come_to_rest(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    config, model = tmp_path / "loopwatch.yaml", tmp_path / "models" / "feed.yaml"
    write(config, "a", 1)
    write(model, "b", 1)
    following = Following([config, model])
    assert [following.changed() for _ in range(3)] == [False, False, False]
    write(model, "half", 2)
    assert not following.changed()
    write(model, "half and half", 3)
    assert not following.changed(), "it still moves"
    assert [following.changed() for _ in range(3)] == [True, False, False]
    write(tmp_path / "models" / "ads.yaml", "c", 4)
    write(tmp_path / "notes.txt", "no part of it", 4)
    assert [following.changed() for _ in range(3)] == [False, True, False]
    model.unlink()
    assert [following.changed() for _ in range(3)] == [False, True, False]


def test_a_folder_that_is_gone_for_a_moment_is_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    folder.mkdir()
    write(folder / "loopwatch.yaml", "a", 1)
    following = Following([folder / "loopwatch.yaml"])
    folder.rename(tmp_path / "away")
    assert not following.changed()
    (tmp_path / "away").rename(folder)
    assert [following.changed() for _ in range(3)] == [False, False, False]
