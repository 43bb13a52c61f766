"""The faults: each happens to a running daemon, and says how often it did."""

from __future__ import annotations

import random
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from tests.faults.child import Death, Drift, Where
from tests.faults.trial import Trial, until
from tests.servers.webhook import Answer, webhook

if TYPE_CHECKING:
    from tests.servers.postgres import PostgresCluster

DAY = 86_400_000
HOUR = 3_600_000


def nothing(trial: Trial) -> int:
    """An undisturbed run."""
    with trial.daemon() as daemon:
        trial.finish(daemon)
    return 0


def broker_dies(trial: Trial, times: int = 1) -> int:
    """SIGKILL to the only broker, and its restart."""
    with trial.daemon() as daemon:
        for _ in range(times):
            trial.in_the_middle(daemon)
            trial.cluster.kill()
            trial.hear(daemon, "source")
            before = trial.step()
            trial.cluster.restart()
            trial.recover(daemon, time.monotonic(), before)
        trial.finish(daemon)
    return times


def leader_dies(trial: Trial, times: int = 2) -> int:
    """Of three brokers the one that leads a partition is killed, another leads on, and the dead one comes back."""
    with trial.daemon() as daemon:
        for _ in range(times):
            before = trial.in_the_middle(daemon)
            leader = trial.cluster.leader(f"{trial.topics.prefix}predictions")
            trial.cluster.kill(leader)
            trial.recover(daemon, time.monotonic(), before)
            trial.cluster.restart(leader)
        trial.finish(daemon)
    return times


@dataclass
class Database:
    """Faults of PostgreSQL itself."""

    server: PostgresCluster

    def away(self, trial: Trial, seconds: float) -> int:
        """The server ends as in a crash, and is started again after a while."""
        with trial.daemon() as daemon:
            trial.in_the_middle(daemon)
            self.server.shut_down()
            trial.hear(daemon, "store")
            time.sleep(seconds)
            self.server.restart()
            began, before = time.monotonic(), self.last_step(trial)
            trial.recover(daemon, began, before)
            trial.finish(daemon)
        return 1

    def slow(self, trial: Trial, seconds: float = 1.0, commits: int = 6) -> int:
        """Every commit takes long, for a while."""
        with trial.daemon() as daemon, self.session(trial) as session:
            before = trial.in_the_middle(daemon)
            session.execute(
                f"CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$"
            )
            session.execute("CREATE TRIGGER linger BEFORE INSERT ON steps FOR EACH ROW EXECUTE FUNCTION linger()")
            daemon.wait("it goes on slowly", lambda: trial.step() >= before + commits, seconds=60)
            before = trial.step()
            session.execute("DROP FUNCTION linger() CASCADE")
            trial.recover(daemon, time.monotonic(), before)
            trial.finish(daemon)
        return commits

    def refuses_writes(self, trial: Trial, seconds: float = 3.0) -> int:
        """The database becomes read only, as after a fail-over or when its disk is full, and comes back."""
        with trial.daemon() as daemon, self.session(trial) as session:
            trial.in_the_middle(daemon)
            self.read_only(session, "on")
            trial.hear(daemon, "store", "read-only")
            time.sleep(seconds)
            before = trial.step()
            self.read_only(session, "off")
            trial.recover(daemon, time.monotonic(), before)
            trial.finish(daemon)
        return 1

    def last_step(self, trial: Trial) -> int:
        """The last step, as soon as the server answers again."""
        until("the database answers", lambda: trial.step() >= 0)
        return trial.step()

    def read_only(self, session: psycopg.Connection, value: str) -> None:
        """Let the database take writes no more ("on"), or again ("off")."""
        session.execute("SET default_transaction_read_only = off")
        name = session.info.dbname
        session.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {value}')
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            (name,),
        )

    @contextmanager
    def session(self, trial: Trial) -> Iterator[psycopg.Connection]:
        """A session of a person on the trial's database."""
        with psycopg.connect(trial.url.replace("+psycopg", ""), autocommit=True) as session:
            yield session


def disk_full(trial: Trial, room: int = 262_144) -> int:
    """The daemon may make no file longer than it is now and a little more: what a full disk says. Then there is room again."""
    with trial.daemon() as daemon:
        trial.in_the_middle(daemon, steps=2)
        file = Path(trial.url.removeprefix("sqlite:///"))
        longest = max(path.stat().st_size for path in file.parent.glob(f"{file.name}*"))
        _, hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (longest + room, hard))
        trial.hear(daemon, "store")
        before = trial.step()
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        trial.recover(daemon, time.monotonic(), before)
        trial.finish(daemon)
    return 1


def receiver_limits(trial: Trial) -> int:
    """429 with Retry-After, then 500, then well."""
    script = [Answer(429, {"Retry-After": "2"}), Answer(500), Answer(429, {"Retry-After": "1"}), Answer(503)]
    trial.receiver.script.extend(script)
    with trial.daemon() as daemon:
        trial.finish(daemon)
    return len(script)


def receiver_hangs(trial: Trial) -> int:
    """A request that is never answered."""
    trial.receiver.script.extend([Answer(hang=True)])
    with trial.daemon() as daemon:
        trial.hear(daemon, "delivery")
        trial.finish(daemon)
    return 1


def receiver_away(trial: Trial) -> int:
    """Nobody listens until all windows are closed; then somebody does, at the same port."""
    port = trial.receiver.port
    trial.receiver.stop()
    with trial.daemon() as daemon:
        trial.hear(daemon, "delivery")
        daemon.wait("all windows are closed meanwhile", trial.over, seconds=240)
        with webhook(port=port) as trial.receiver:
            trial.finish(daemon)
    return 1


def killed(trial: Trial, times: int, seed: int, longest: float = 1.2) -> int:
    """SIGKILL at random moments, until the stream is over or it has happened `times`; returns how often it was not over yet."""
    moments = random.Random(seed)
    done = 0
    while done < times and not trial.over():
        with trial.daemon() as daemon:
            time.sleep(moments.uniform(0.05, longest))
            assert daemon.process.poll() is None, "it ended by itself"
            daemon.kill()
            done += not trial.over()
    _end(trial)
    return done


def killed_at_every_commit(trial: Trial) -> int:
    """SIGKILL before each commit, within its transaction, and after it, from the first to the last."""
    done = 0
    while not trial.over():
        for where in Where:
            with trial.daemon(death=Death(where)) as daemon:
                until(f"it dies {where}", lambda d=daemon: d.process.poll() is not None or trial.over(), 60)  # type: ignore[misc]
                if daemon.process.poll() is None:
                    break
                assert daemon.process.returncode == -signal.SIGKILL, daemon.log()[-3:]
                done += 1
    _end(trial)
    return done


def told_to_end(trial: Trial, times: int = 8) -> int:
    """SIGTERM in the middle of everything."""
    moments, done = random.Random(11), 0
    while done < times and not trial.over():
        with trial.daemon() as daemon:
            daemon.wait("it has begun", daemon.address)
            time.sleep(moments.uniform(0.0, 1.0))
            assert daemon.terminate() == 0
            done += 1
    _end(trial)
    return done


def clock_errs(trial: Trial) -> int:
    """The wall clock steps back an hour, forward a day for a moment, and back again, while it works."""
    drift = Drift()
    with trial.daemon(drift=drift) as daemon:
        for wrong in (-HOUR, DAY, -DAY, 0):
            before = trial.in_the_middle(daemon, steps=3)
            drift.ms = wrong
            trial.recover(daemon, time.monotonic(), before)
        trial.finish(daemon)
    return 4


def second_daemon(trial: Trial) -> int:
    """Another daemon stands by on the same store, and takes over when the first is killed."""
    with trial.daemon("first") as first:
        first.wait("it owns the store", lambda: first.parts().get("lease", {"ok": False})["ok"])
        with trial.daemon("second") as second:
            trial.hear(second, "lease", "standing by")
            trial.in_the_middle(first)
            first.kill()
            before = trial.step()
            trial.recover(second, time.monotonic(), before)
            trial.finish(second)
    return 1


def paused(trial: Trial) -> int:
    """A daemon is stopped in its tracks, another takes over, and the first wakes with its old lease and must not write."""
    with trial.daemon("first") as first:
        trial.in_the_middle(first)
        first.process.send_signal(signal.SIGSTOP)
        before = trial.step()
        with trial.daemon("second") as second:
            trial.recover(second, time.monotonic(), before)
            first.process.send_signal(signal.SIGCONT)
            trial.hear(first, "lease", "standing by")
            trial.finish(second)
        first.wait("it takes its turn again", lambda: first.parts().get("lease", {"ok": False})["ok"], seconds=30)
        assert first.terminate() == 0
    return 1


def _end(trial: Trial) -> None:
    """A last daemon, that nothing happens to."""
    with trial.daemon() as daemon:
        began = time.monotonic()
        daemon.wait("it is ready", daemon.ready, seconds=60)
        trial.recovered.append(time.monotonic() - began)
        trial.finish(daemon)
