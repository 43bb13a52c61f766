"""What `pip install` brings is whole: the demo's configs and data are in the wheel, and are found there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
_FIND = """
from monitor.cli.demo import story
from monitor.app import read_config
for name in ("open-bandit.yaml", "closed-loop.yaml"):
    print(read_config(story.config_path().with_name(name)).plans.models[0].model)
"""


def test_an_installed_demo_finds_its_configs(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    with ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    assert (tmp_path / "site" / "monitor" / "simulate" / "data" / "open_bandit_men.csv.gz").exists()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", _FIND],
        cwd=tmp_path / "site",
        env=environment | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["open-bandit", "closed-loop"]
