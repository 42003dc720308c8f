"""Runs a plan: injects and heals faults at the planned times, and heals all at its end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from edge_lab.core.deadline import Deadline
from edge_lab.core.durations import show_duration
from edge_lab.core.errors import DeadlineExceeded, EdgeLabError, InputError, LabError
from edge_lab.core.interrupts import interrupts_noted
from edge_lab.core.step import Step, step
from edge_lab.faults.board import PlanBoard
from edge_lab.faults.fault import Fault
from edge_lab.faults.limits import TimeLimit
from edge_lab.faults.plan import Plan
from edge_lab.faults.records import FaultRecord
from edge_lab.faults.schedule import Contradictions, Planned

HEAL_S = 900.0
"""Seconds for effects and recoveries to be seen, in addition to the duration of a plan."""

LOOK_S = 0.25
"""Seconds between checks of the deadline and progress messages."""


class Engine(Protocol):
    """Injects and heals single faults. Thread-safe."""

    def inject(self, fault: Fault) -> FaultRecord:
        """Returns after its effect was seen; LabError if none was."""
        ...

    def heal(self, record: FaultRecord) -> FaultRecord:
        """Returns after the recovery was seen; LabError if none was."""
        ...

    def active(self) -> tuple[FaultRecord, ...]: ...

    def history(self) -> tuple[FaultRecord, ...]: ...


class Clock:
    """The clock of a plan: seconds since it began, `speed` times as fast as the host's."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._began = time.monotonic()

    def start(self) -> None:
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        return (time.monotonic() - self._began) * self._speed

    def wait(self, until: float, stop: threading.Event | None = None) -> bool:
        """Waits for that time; True if `stop` was set before."""
        return (stop or threading.Event()).wait(max(0.0, until - self.now) / self._speed)


class Outcome(StrEnum):
    """The outcome of one planned fault."""

    NOT_BEGUN = "not begun"
    """The plan was ended before it began."""
    NOT_SEEN = "no effect seen"
    HEALED = "seen and healed"
    NOT_HEALED = "not healed"


@dataclass(frozen=True)
class Happened:
    """One planned fault and its outcome."""

    planned: Planned
    outcome: Outcome
    record: FaultRecord | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "at_s": self.planned.at_s,
            "for_s": self.planned.for_s,
            "fault": self.planned.fault.model_dump(mode="json"),
            "outcome": self.outcome.value,
        }


@dataclass(frozen=True)
class PlanRun:
    """A plan and its outcome."""

    plan: Plan
    _players: Sequence[_Player]
    _troubles: Sequence[tuple[str, BaseException]] = ()

    @property
    def has_failed(self) -> bool:
        """Whether it ends early, as when an effect was not seen; `PlanFailed` is raised when
        everything is healed."""
        return bool(self._troubles)

    @property
    def happened(self) -> tuple[Happened, ...]:
        """In the order of the schedule; up to now while the plan runs."""
        return tuple(player.happened for player in self._players)

    @property
    def seed(self) -> int:
        return self.plan.seed

    @property
    def schedule(self) -> tuple[Planned, ...]:
        return self.plan.schedule()

    @property
    def records(self) -> tuple[FaultRecord, ...]:
        """The records with the times of all observations, in the order of the requests."""
        found = (happened.record for happened in self.happened if happened.record is not None)
        return tuple(sorted(found, key=lambda record: record.id))

    def log(self) -> str:
        """One line for each fault, with planned times only: the same for the same seed."""
        rows = [
            (
                *happened.planned.times,
                happened.planned.fault.fault,
                happened.planned.fault.model_dump_json(exclude_defaults=True, exclude={"fault"}),
                happened.outcome.value,
            )
            for happened in self.happened
        ]
        lines = [f"plan {self.plan.name}, seed {self.seed}"]
        return "\n".join(lines + ["\t".join(row) for row in rows]) + "\n"

    def as_json(self) -> dict[str, Any]:
        """Like `log`, and the records with the times of this run."""
        return {
            "plan": self.plan.name,
            "seed": self.seed,
            "lasts_s": self.plan.lasts_s,
            "faults": [happened.as_json() for happened in self.happened],
            "records": [record.model_dump(mode="json") for record in self.records],
        }


class PlanFailed(LabError):
    """A plan was not completed; all that could be healed is healed."""

    def __init__(self, message: str, *, remedy: str, run: PlanRun) -> None:
        super().__init__(message, remedy=remedy)
        self.run = run


def plan_deadline(plan: Plan, limit: TimeLimit) -> Deadline:
    """For the plan and all its proofs, on a host of that speed."""
    return Deadline.after(plan.lasts_s + limit(HEAL_S).remaining)


def run_plan(
    plan: Plan,
    engine: Engine,
    *,
    deadline: Deadline,
    clock: Clock | None = None,
    board: PlanBoard | None = None,
) -> PlanRun:
    """Injects and heals on schedule; returns when all faults are healed.

    Each fault has its own thread, since an injection returns only when its effect was seen, and
    must not delay the next one.  In any case each fault that was injected is healed, and its
    recovery seen, before this returns or raises: also on an interrupt, SIGTERM or SIGHUP;
    further signals are deferred until then. On `board`, other processes see the plan.

    Raises:
        InputError: there are active faults, or the deadline is too near.
        PlanFailed: an effect or a recovery was not seen, or the deadline has passed.
        KeyboardInterrupt: on an interrupt, SIGTERM or SIGHUP.
    """
    run = _Run(plan, engine, clock or Clock(), deadline, board)
    with interrupts_noted(run.stop.set) as interrupted, step(run.title) as shown:
        run.play(shown)
        run.settle(interrupted=interrupted.is_set())
    return run.so_far


@contextlib.contextmanager
def running_plan(
    plan: Plan,
    engine: Engine,
    *,
    deadline: Deadline | None = None,
    clock: Clock | None = None,
    board: PlanBoard | None = None,
) -> Iterator[PlanRun]:
    """The plan runs in parallel to the block, which gets its `PlanRun` as it grows.

    A block that ends waits for the plan to end; one that raises ends the plan immediately.  All
    faults are healed in either case, and errors are raised as by `run_plan`.
    """
    deadline = deadline or plan_deadline(plan, Deadline.scaled)
    run = _Run(plan, engine, clock or Clock(), deadline, board)
    with step(run.title) as shown:
        thread = threading.Thread(target=run.play, args=(shown,), name=run.title)
        thread.start()
        interrupted = False
        try:
            yield run.so_far
        except BaseException as trouble:
            run.stop.set()
            interrupted = isinstance(trouble, KeyboardInterrupt)
            raise
        finally:
            with interrupts_noted(run.stop.set) as noted:
                thread.join()
            run.settle(interrupted=interrupted or noted.is_set())


@dataclass
class _Player:
    """One planned fault, its thread and its outcome."""

    planned: Planned
    after: list[_Player]
    """Faults that must be healed before this one may begin."""
    over: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome = Outcome.NOT_BEGUN
    record: FaultRecord | None = None

    @property
    def happened(self) -> Happened:
        return Happened(self.planned, self.outcome, self.record)


class _Run:
    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        clock: Clock,
        deadline: Deadline,
        board: PlanBoard | None = None,
    ) -> None:
        """Raises InputError if the plan must not be started."""
        if before := engine.active():
            names = ", ".join(record.fault.title for record in before)
            raise InputError(
                f"there are active faults: {names}",
                remedy="Run `lab fault heal --all` to heal them.",
            )
        if deadline.remaining < plan.lasts_s:
            raise InputError(
                f"the plan lasts {show_duration(plan.lasts_s)}, and only "
                f"{show_duration(deadline.remaining)} are left"
            )
        self.title = f"plan {plan.name}, seed {plan.seed}"
        self.stop = threading.Event()
        self._plan = plan
        self._engine = engine
        self._clock = clock
        self._deadline = deadline
        self._troubles: list[tuple[str, BaseException]] = []
        self._board = board
        self._players = _players(plan)
        self.so_far = PlanRun(plan, self._players, self._troubles)

    def play(self, shown: Step) -> None:
        """Runs the whole plan with all heals; raises nothing, `settle` does."""
        announced = self._board.announcing(self._plan) if self._board else contextlib.nullcontext()
        with announced:
            self._play_all(shown)

    def _play_all(self, shown: Step) -> None:
        self._clock.start()
        threads = [
            threading.Thread(target=self._play, args=(player, shown), name=str(player.planned))
            for player in self._players
        ]
        try:
            try:
                for thread in threads:
                    thread.start()
                self._watch(threads, shown)
            finally:
                self.stop.set()
                for thread in threads:
                    if thread.ident is not None:
                        thread.join()
                self._sweep()
        except BaseException as trouble:  # noqa: BLE001 - raised by `settle`
            self._troubles.append((self.title, trouble))

    def _watch(self, threads: list[threading.Thread], shown: Step) -> None:
        lasts = self._plan.lasts_s
        for thread in threads:
            while thread.is_alive():
                thread.join(LOOK_S)
                if self._deadline.expired and not self.stop.is_set():
                    late = f"not over within {show_duration(self._deadline.total)}"
                    self._troubles.append((self.title, DeadlineExceeded(late)))
                    self.stop.set()
                now = min(self._clock.now, lasts)
                share = f"{show_duration(round(now))} of {show_duration(lasts)}"
                shown.progress(share, now / lasts)

    # -- in a thread for each fault --------------------------------------------------------------

    def _play(self, player: _Player, shown: Step) -> None:
        try:
            if self._clock.wait(player.planned.at_s, self.stop):
                return
            for earlier in player.after:
                earlier.over.wait()
            if not self.stop.is_set():
                self._broken(player, shown)
        except BaseException as trouble:  # noqa: BLE001 - raised by `settle`
            self._troubles.append((str(player.planned), trouble))
            self.stop.set()
        finally:
            player.over.set()

    def _broken(self, player: _Player, shown: Step) -> None:
        fault = player.planned.fault
        with step(str(player.planned), parent=shown) as own:
            player.outcome = Outcome.NOT_SEEN
            # A fault that had to wait for an earlier heal still has its full duration.
            late = max(0.0, self._clock.now - player.planned.at_s)
            player.record = self._engine.inject(fault)
            player.outcome = Outcome.NOT_HEALED
            if not fault.is_momentary:
                own.progress("active")
                self._clock.wait(player.planned.ends_s + late, self.stop)
            player.record = self._engine.heal(player.record)
            player.outcome = Outcome.HEALED

    # -- at the end ------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Heals what a failed injection or heal may have left behind."""
        for record in self._engine.active():
            try:
                healed = self._engine.heal(record)
            except Exception as trouble:  # noqa: BLE001 - the others must still be healed
                self._troubles.append((record.fault.title, trouble))
                continue
            for player in self._players:
                if player.record is not None and player.record.id == record.id:
                    player.record, player.outcome = healed, Outcome.HEALED

    def settle(self, *, interrupted: bool) -> None:
        """Raises the errors, after all that could be healed is healed."""
        left = self._engine.active()
        if interrupted and not left:
            raise KeyboardInterrupt
        if not self._troubles and not left:
            return
        where, trouble = self._troubles[0] if self._troubles else (self.title, None)
        says, remedy = "ended early", ""
        if isinstance(trouble, EdgeLabError):
            says, remedy = trouble.message, trouble.remedy
        elif trouble is not None:
            says = repr(trouble)
        if left:
            says += f"; still active: {', '.join(record.fault.title for record in left)}"
            remedy = "Run `lab fault heal --all` to try again, or `lab restore` to restore the lab."
        else:
            says += "; all faults are healed"
        raise PlanFailed(f"{where}: {says}", remedy=remedy, run=self.so_far) from trouble


def _players(plan: Plan) -> list[_Player]:
    contradictions = Contradictions(plan.topology)
    players: list[_Player] = []
    for planned in plan.schedule():
        after = [other for other in players if contradictions.follows(planned, other.planned)]
        players.append(_Player(planned, after))
    return players
