"""Wall time that a step of the machine's clock does not move at once."""

from __future__ import annotations

from monitor.clock import ManualClock, SteadyClock

DAY = 86_400_000


class Machine:
    """A wall clock and a monotonic clock: `pass_by` moves both, `step` only the first."""

    def __init__(self) -> None:
        self.wall, self.run = ManualClock(1_700_000_000_000), 5_000
        self.clock = SteadyClock(self.wall, lambda: self.run)

    def pass_by(self, ms: int) -> int:
        self.wall.sleep(ms)
        self.run += ms
        return self.clock.now()

    def step(self, ms: int) -> int:
        self.wall.time += ms
        return self.clock.now()


def test_it_is_the_wall_clock_while_that_is_steady() -> None:
    machine = Machine()
    assert machine.pass_by(12_345) == machine.wall.now()


def test_it_follows_a_wall_clock_that_drifts() -> None:
    machine = Machine()
    for _ in range(100):
        machine.step(500)
        machine.pass_by(1_000)
    assert machine.clock.now() == machine.wall.now()


def test_a_day_forward_for_a_moment_is_not_believed() -> None:
    machine = Machine()
    before = machine.clock.now()
    assert machine.step(DAY) == before
    assert machine.clock.doubted_ms() == DAY
    assert machine.pass_by(30_000) == before + 30_000
    assert machine.step(-DAY) == machine.wall.now() == before + 30_000
    assert machine.clock.doubted_ms() == 0


def test_an_hour_back_is_believed_once_it_has_lasted() -> None:
    machine = Machine()
    before = machine.clock.now()
    machine.step(-3_600_000)
    assert machine.pass_by(59_000) == before + 59_000
    assert machine.pass_by(1_000) == machine.wall.now() == before + 60_000 - 3_600_000


def test_two_different_steps_are_not_two_witnesses() -> None:
    machine = Machine()
    machine.step(DAY)
    machine.pass_by(40_000)
    machine.step(DAY)
    now = machine.pass_by(40_000)
    assert machine.wall.now() - now == 2 * DAY
