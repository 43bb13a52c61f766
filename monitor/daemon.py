"""The daemon's loop: holds the lease, gives every model its turn, and survives what the world does.

Models are isolated. Whatever happens in one model's turn costs that model its turn: its memory is thrown away, it rests for a
moment, and begins again from what was committed; the others never notice.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.clock import Clock
from monitor.ingest.source import SourceRefused, SourceUnavailable
from monitor.relay import Stop
from monitor.retiring import retire
from monitor.store.protocols import Lease, LeaseLost, OutOfStep, StateStore, StoreError, StoreUnavailable
from monitor.turns import ModelTurns

LEASE_MS = 30_000
"""How long the lease lasts unless it is renewed; it is renewed when a third of it has passed."""

_REST_MS = 1_000
_LONG_REST_MS = 30_000
_STAND_BY_MS = 1_000
_WAIT_MS = 200


class Told(Protocol):
    """Who hears how the parts are: `store`, `lease`, `source` and `models`, and models by name."""

    def part(self, name: str, ok: bool, reason: str = "") -> None:
        """A part of the daemon is well, or why it is not."""

    def model(self, name: str, error: Exception | None) -> None:
        """A model's turn went well, or why it did not."""


def owner_name() -> str:
    """Who holds the lease, for people: host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass
class _Rest:
    until: int = 0
    failures: int = 0


class Daemon:
    """Runs all models on one thread until told to stop.

    lease_ms   how long its lease lasts unless it is renewed.
    retiring   models that are in the store and are run no more: their alerts are closed.
    """

    def __init__(
        self,
        turns: Sequence[ModelTurns],
        store: StateStore,
        clock: Clock,
        told: Told,
        owner: str,
        lease_ms: int = LEASE_MS,
        retiring: Collection[str] = (),
    ) -> None:
        self._turns, self._store, self._clock, self._told, self._owner = turns, store, clock, told, owner
        self._lease_ms = lease_ms
        self._rest = {t.model: _Rest() for t in turns}
        self._lease: Lease | None = None
        self._next: tuple[Sequence[str], Mapping[str, ModelTurns]] | None = None
        self._retiring = frozenset(retiring)
        self._handing_over = threading.Lock()

    @property
    def lease(self) -> Lease | None:
        """The lease that it holds, as far as it knows. May be asked from any thread."""
        return self._lease

    def take_up(self, models: Sequence[str], anew: Mapping[str, ModelTurns]) -> None:
        """From the next round on, run these models and no others. May be called from any thread.

        anew   turns of those that are new or changed, ready to run: they load what was last committed. Those of an earlier call
               that no round has come to yet are taken up as well.
        """
        with self._handing_over:
            waiting = {} if self._next is None else self._next[1]
            self._next = models, {**waiting, **anew}

    def _change(self) -> None:
        """Take up what was handed over: nothing in here can fail half way."""
        with self._handing_over:
            taken, self._next = self._next, None
        if taken is None:
            return
        models, anew = taken
        running = {turns.model: turns for turns in self._turns}
        self._retiring = (self._retiring | running.keys()) - frozenset(models)
        self._turns = [anew[model] if model in anew else running[model] for model in models]
        self._rest = {turns.model: _Rest() for turns in self._turns}
        for turns in [*running.values(), *anew.values()]:
            if turns not in self._turns:
                with contextlib.suppress(Exception):  # it is not read any more, whatever it says
                    turns.source.close()

    def _retire(self, lease: Lease) -> None:
        """Close the alerts of models that are run no more; tried again with the next round while the store cannot be reached."""
        for model in sorted(self._retiring):
            try:
                retire(self._store, model, lease, self._clock.now())
            except LeaseLost:
                return self._lost()
            except StoreUnavailable as error:
                return self._told.part("store", False, str(error))
            except Exception as error:  # noqa: BLE001 - what is wrong with a model that is gone must not stop the others
                self._told.model(model, error)
            self._retiring -= {model}
        return None

    def run(self, stop: Stop) -> None:
        """Until `stop` is set; then the lease is given back. A turn that has begun is finished."""
        while not stop.is_set():
            self._change()
            lease = self._hold_lease()
            if lease is None:
                self._clock.sleep(_STAND_BY_MS)
                continue
            self._retire(lease)
            share = max(_WAIT_MS // max(len(self._turns), 1), 10)
            for turns in self._turns:
                if stop.is_set() or self._lease is None:
                    break
                current = self._hold_lease()
                if current is None:
                    break
                self._give_turn(turns, current, share)
            if all(map(self._rests, self._rest.values())):
                self._clock.sleep(_WAIT_MS)
        self._finish()
        self._give_back()

    def close(self) -> None:
        """Let go of every model's source. After `run`."""
        for turns in self._turns:
            turns.source.close()

    def _hold_lease(self) -> Lease | None:
        now = self._clock.now()
        try:
            if self._lease is None:
                self._lease = self._store.acquire(self._owner, self._lease_ms)
                self._told.part("store", True)
                if self._lease is None:
                    self._told.part("lease", False, "another daemon owns the store; standing by")
                else:
                    self._told.part("lease", True)
            elif not self._lease_ms * 2 // 3 <= self._lease.expires_at - now <= self._lease_ms:
                self._lease = self._store.renew(self._lease, self._lease_ms)
                self._told.part("store", True)
        except LeaseLost:
            self._lost()
        except StoreError as error:
            self._told.part("store", False, str(error))
            return None
        return self._lease

    def _lost(self) -> None:
        """Somebody else owns the store: nothing in memory may be believed any more."""
        self._lease = None
        self._told.part("lease", False, "the lease was taken over by another daemon; standing by")
        for turns in self._turns:
            turns.forget()

    def _give_turn(self, turns: ModelTurns, lease: Lease, timeout_ms: int) -> None:
        rest = self._rest[turns.model]
        if self._rests(rest):
            return
        try:
            turns.turn(lease, timeout_ms)
        except LeaseLost:
            self._lost()
        except (StoreUnavailable, OutOfStep) as error:
            self._told.part("store", isinstance(error, OutOfStep), str(error))
            self._fail(turns, error, _REST_MS)
        except SourceUnavailable as error:
            self._fail(turns, error, _REST_MS)
        except SourceRefused as error:
            self._fail(turns, error, _LONG_REST_MS)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in one model must not stop the others
            self._fail(turns, error, _LONG_REST_MS)
        else:
            rest.failures = 0
            self._told.part("store", True)
            self._told.model(turns.model, None)

    def _finish(self) -> None:
        """Commit what the turns have begun; what cannot be committed now is read again by whoever comes next."""
        for turns in self._turns:
            if self._lease is not None:
                try:
                    turns.finish(self._lease)
                except LeaseLost:
                    self._lost()
                except Exception as error:  # noqa: BLE001 - whatever goes wrong, it must end, and the others must be committed
                    self._told.model(turns.model, error)

    def _rests(self, rest: _Rest) -> bool:
        """Not yet to be tried again; a clock that was set back makes no rest longer."""
        return 0 < rest.until - self._clock.now() <= _LONG_REST_MS

    def _fail(self, turns: ModelTurns, error: Exception, rest_ms: int) -> None:
        rest = self._rest[turns.model]
        rest.failures += 1
        rest.until = self._clock.now() + min(rest_ms * 2 ** min(rest.failures - 1, 5), _LONG_REST_MS)
        self._told.model(turns.model, error)

    def _give_back(self) -> None:
        if self._lease is not None:
            with contextlib.suppress(StoreError):  # it expires by itself
                self._store.release(self._lease)
            self._lease = None
