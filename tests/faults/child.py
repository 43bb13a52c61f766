"""The real `loopwatch run` in a process of its own that dies, or whose clock errs, where it is told.

Processes are forked from a server that has everything imported, so that a hundred starts cost what three would.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from monitor import app, cli
from monitor.clock import SystemClock
from monitor.store.protocols import Lease, Step
from monitor.store.via_sql import SqlStore, state
from tests.e2e.daemons import RunningDaemon

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.faults.child"])


class Where(StrEnum):
    """A boundary of a commit."""

    BEFORE = "before the commit"
    INSIDE = "inside the transaction"
    AFTER = "after the commit, before anybody knows"


@dataclass(frozen=True)
class Death:
    """SIGKILL to itself at its `commits`-th commit."""

    where: Where
    commits: int = 1


class Drift:
    """How far a daemon's wall clock is off, ms; may be changed while it runs."""

    def __init__(self) -> None:
        self._shared = _FORKS.Value("q", 0)

    @property
    def ms(self) -> int:
        return int(self._shared.value)

    @ms.setter
    def ms(self, value: int) -> None:
        self._shared.value = value


class ForkedDaemon(RunningDaemon):
    """`loopwatch run` with a config, as `RunningDaemon`, with a death or a clock of its own.

    `owner`: who holds its lease. As in a container that is started anew, the same owner takes its lease back at once.
    """

    def __init__(
        self,
        config: Path,
        env: Mapping[str, str],
        name: str = "daemon",
        *,
        death: Death | None = None,
        drift: Drift | None = None,
        owner: str = "",
    ) -> None:
        self._name_files(config, env, name)
        child = _FORKS.Process(target=_serve, args=(config, self.env, self.out, self.err, death, drift, owner))
        child.start()
        self.process = _Child(child)


class _Child:
    """As much of `subprocess.Popen` as `RunningDaemon` asks for."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError(f"process {self.pid} has not ended within {timeout} s")
        return self._process.exitcode


def _serve(
    config: Path, env: Mapping[str, str], out: Path, err: Path, death: Death | None, drift: Drift | None, owner: str
) -> None:
    os.environ.update({**env, "COLUMNS": "200", "TERM": "dumb"})
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), number)
    if death is not None:
        _die(death)
    if drift is not None:
        setattr(app, "SystemClock", lambda: _Astray(drift))  # noqa: B010  # a class is replaced by its maker
    if owner:
        setattr(app, "owner_name", lambda: owner)  # noqa: B010  # likewise
    sys.argv = ["loopwatch", "run", "--config", str(config)]
    cli.main()


class _Astray(SystemClock):
    def __init__(self, drift: Drift) -> None:
        self._drift = drift

    def now(self) -> int:
        return super().now() + self._drift.ms


def _die(death: Death) -> None:
    commit, write = SqlStore.commit, state.commit
    done = 0

    def die(where: Where) -> None:
        if death.where is where and done == death.commits:
            os.kill(os.getpid(), signal.SIGKILL)

    def committing(store: SqlStore, step: Step, lease: Lease) -> None:
        nonlocal done
        done += 1
        die(Where.BEFORE)
        commit(store, step, lease)
        die(Where.AFTER)

    def writing(*arguments: Any) -> None:
        write(*arguments)
        die(Where.INSIDE)

    setattr(SqlStore, "commit", committing)  # noqa: B010  # not an assignment that a type could have
    setattr(state, "commit", writing)  # noqa: B010  # likewise
