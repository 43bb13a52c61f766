"""What README shows of `loopwatch check` is what its own config prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from monitor.cli import cli

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_config_of_readme_foretells_what_readme_says(tmp_path: Path) -> None:
    (config,) = re.findall(r"^```yaml\n(# loopwatch\.yaml\n.*?)^```", README, re.MULTILINE | re.DOTALL)
    command, shown = re.findall(r"^\$ loopwatch (check .*)\n((?:.+\n)+?)```", README, re.MULTILINE)[0]
    (tmp_path / "slack").write_text("slackhook://127.0.0.1:1/nobody")
    path = tmp_path / "loopwatch.yaml"
    path.write_text(config.replace("/run/secrets/slack", str(tmp_path / "slack")))
    printed = CliRunner().invoke(cli, [*shlex.split(command), "--config", str(path)])
    assert printed.exit_code == 0, printed.output
    assert " ".join(shown.split()) in " ".join(printed.output.split())
