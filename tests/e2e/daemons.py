"""The real `loopwatch` command as processes that a test may stop, kill and ask."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

LOOPWATCH = Path(sys.executable).with_name("loopwatch")
_POLL_S = 0.1


def wait_until(what: str, condition: Callable[[], object], seconds: float, otherwise: Callable[[], str] = str) -> None:
    """Ask again and again until `condition` holds; AssertionError saying what did not happen, and what was seen instead."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}\n{otherwise()}")
        time.sleep(_POLL_S)


def loopwatch(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [LOOPWATCH, *arguments], env=_environment(env), capture_output=True, text=True, check=False, timeout=120
    )


class Process(Protocol):
    """A process that has been started."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...

    def kill(self) -> None: ...

    def send_signal(self, number: int) -> None: ...

    def wait(self, timeout: float | None = None) -> int: ...


class RunningDaemon:
    """`loopwatch run` with a config; `env` holds what the config takes from the environment. Ended at the latest by `with`."""

    process: Process

    def __init__(
        self, config: Path, env: Mapping[str, str], name: str = "daemon", arguments: Sequence[str] = ()
    ) -> None:
        self._name_files(config, env, name)
        with self.out.open("ab") as out, self.err.open("ab") as err:
            self.process = subprocess.Popen(
                [LOOPWATCH, "run", "--config", str(config), *arguments], stdout=out, stderr=err, env=_environment(env)
            )

    def _name_files(self, config: Path, env: Mapping[str, str], name: str) -> None:
        self.config, self.env = config, dict(env)
        self.out, self.err = config.parent / f"{name}.out", config.parent / f"{name}.err"
        self._before = self.err.stat().st_size if self.err.exists() else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()

    def log(self) -> list[dict[str, Any]]:
        """What it wrote on stderr, of all daemons of this config and name; every line must be JSON."""
        return [json.loads(line) for line in self.err.read_text().splitlines()]

    def address(self) -> str:
        """Where its page is; "" before it has said so."""
        if not self.err.exists():
            return ""
        with self.err.open() as lines:
            lines.seek(self._before)
            own = [line for line in lines if '"started"' in line]
        return str(json.loads(own[-1])["page"]) if own else ""

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of one of its pages; (0, "") if nobody answers yet."""
        address = self.address()
        if not address:
            return 0, ""
        try:
            with urllib.request.urlopen(address + path.removeprefix("/"), timeout=10) as response:  # noqa: S310  # loopback
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def parts(self) -> dict[str, dict[str, Any]]:
        """What /readyz says of each part; {} if nobody answers yet."""
        _, body = self.get("/readyz")
        return dict(json.loads(body)["parts"]) if body else {}

    def ready(self) -> bool:
        """/readyz answers 200."""
        return self.get("/readyz")[0] == 200

    def wait(self, what: str, condition: Callable[[], object], seconds: float = 60.0) -> None:
        """Like `wait_until`; a daemon that has ended fails at once."""

        def now() -> object:
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended with {self.process.returncode}: {self._last_words()}")
            return condition()

        wait_until(what, now, seconds, lambda: f"{self.parts()}\n{self._last_words()}")

    def kill(self) -> None:
        """SIGKILL: a crash."""
        self.process.kill()
        self.process.wait()

    def terminate(self, seconds: float = 30.0) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def _last_words(self) -> str:
        return "\n".join([self.out.read_text()[-2000:], *self.err.read_text().splitlines()[-10:]])


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "COLUMNS": "200", "TERM": "dumb", **(extra or {})}
