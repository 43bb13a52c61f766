"""The command line inside this process, a config of one file, and a small stream with a planted harm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor import demo
from monitor.cli import cli
from monitor.cli.terminal import out
from monitor.simulate import open_bandit
from tests.servers.webhook import Webhook, webhook


@dataclass(frozen=True)
class CommandLine:
    """Runs commands with a config file that `write` makes."""

    folder: Path

    @property
    def config(self) -> Path:
        """The config's path."""
        return self.folder / "loopwatch.yaml"

    @property
    def database(self) -> str:
        """URL of the SQLite database beside the config."""
        return f"sqlite:///{self.folder / 'loopwatch.db'}"

    def write(self, more: str = "", *, brokers: str = "127.0.0.1:1") -> Path:
        """The shipped example, with `more` keys of the shared part; without a destination in it, there is one that nobody listens to."""
        text = demo.config_path().read_text().replace("${KAFKA_BROKERS:-localhost:9092}", brokers)
        told = "" if "slack:" in more else "slack: slackhook://127.0.0.1:1/nobody\n"
        self.config.write_text(f"{text}\n{told}{more}\n")
        return self.config

    def __call__(self, *arguments: str | Path, columns: int = 160) -> Result:
        """Run a command; `--config` is added where it is understood."""
        words = [str(a) for a in arguments]
        if words[0] not in ("config", "demo", "simulate") and "--config" not in words:
            words += ["--config", str(self.config)]
        before, out.width = out.width, columns
        try:
            return CliRunner(env={"TERM": "dumb"}).invoke(cli, words)
        finally:
            out.width = before


@pytest.fixture
def loopwatch(tmp_path: Path) -> CommandLine:
    """The command line with the shipped example as its config."""
    made = CommandLine(tmp_path)
    made.write()
    return made


@pytest.fixture(scope="session")
def stream(tmp_path_factory: pytest.TempPathFactory) -> open_bandit.Written:
    """60,000 impressions in files; the exposed lose all clicks from the sixth day on, for four days."""
    plant = open_bandit.Plant(after_days=6, for_days=4, keep=0.0)
    return open_bandit.write(tmp_path_factory.mktemp("stream"), open_bandit.resampled(2, 60_000, plant=plant))


@pytest.fixture
def receiver() -> Iterator[Webhook]:
    """Where messages are sent."""
    with webhook() as server:
        yield server
