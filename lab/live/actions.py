"""Faults that are injected and healed from a page, each with the equivalent command line.

An action runs in its own thread, since it returns only when its effect was seen.
"""

from __future__ import annotations

import itertools
import shlex
import threading
import time
from collections.abc import Callable, Sequence

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError, InputError
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.shorthand import parse_fault
from edge_lab.live.snapshot import Action, ActionState
from edge_lab.topology import Topology

KEPT = 50
"""Maximum number of actions shown."""


def add_command(lab: str, words: Sequence[str]) -> str:
    """The command line that injects the fault with those arguments."""
    return shlex.join(("lab", "fault", "add", "--lab", lab, *words))


def heal_command(lab: str, *ids: int) -> str:
    """The command line that heals those faults; all of them if none is named."""
    return shlex.join(
        ("lab", "fault", "heal", "--lab", lab, *(map(str, ids) if ids else ["--all"]))
    )


class Actions:
    """The actions of one page. Thread-safe."""

    def __init__(
        self,
        lab: str,
        topology: Callable[[], Topology],
        engine: Callable[[], FaultEngine],
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """`topology` and `engine` raise LabError while the lab is not up; `then` is called after
        each action."""
        self._lab = lab
        self._topology = topology
        self._engine = engine
        self._then = then
        self._ids = itertools.count(1)
        self._known: dict[int, Action] = {}
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    @property
    def known(self) -> tuple[Action, ...]:
        """The newest first."""
        with self._lock:
            return tuple(reversed(self._known.values()))

    @property
    def running(self) -> int:
        """The number of running actions."""
        return sum(action.state is ActionState.RUNNING for action in self.known)

    def inject(self, words: Sequence[str]) -> Action:
        """Begins to inject the fault with the arguments of `lab fault add`.

        Raises:
            InputError: there is no such fault, or it is not possible in this lab.
            LabError: the lab is not up.
        """
        fault = parse_fault(words)
        fault.check(self._topology())
        engine = self._engine()

        def do() -> str:
            record = engine.inject(fault)
            if not fault.is_momentary:
                return record.proof
            healed = engine.heal(record)
            return f"{record.proof}; {healed.cure}"

        return self._begin(add_command(self._lab, words), do)

    def heal(self, ids: Sequence[int]) -> Action:
        """Begins to heal those faults, by default all.

        Raises:
            InputError: one of them is not active.
            LabError: the lab is not up.
        """
        engine = self._engine()
        active = {record.id: record for record in engine.active()}
        for number in ids:
            if number not in active:
                known = ", ".join(map(str, active)) or "none"
                raise InputError(f"there is no active fault {number}", remedy=f"Active: {known}.")

        def do() -> str:
            if not ids:
                engine.heal_all()
                return f"{len(active)} healed"
            return "; ".join(engine.heal(active[number]).cure for number in dict.fromkeys(ids))

        return self._begin(heal_command(self._lab, *ids), do)

    def wait(self, deadline: Deadline) -> bool:
        """Waits for running actions; returns whether all have ended."""
        for thread in list(self._threads):
            thread.join(deadline.remaining)
        return not any(thread.is_alive() for thread in self._threads)

    def _begin(self, command: str, do: Callable[[], str]) -> Action:
        action = Action(id=next(self._ids), command=command, began=time.time_ns())
        thread = threading.Thread(
            target=self._run, args=(action, do), name=f"action {action.id}", daemon=True
        )
        with self._lock:
            self._known[action.id] = action
            for old in list(self._known)[:-KEPT]:
                del self._known[old]
            self._threads = [running for running in self._threads if running.is_alive()] + [thread]
            thread.start()
        return action

    def _run(self, action: Action, do: Callable[[], str]) -> None:
        try:
            text, remedy, state = do(), "", ActionState.SEEN
        except EdgeLabError as trouble:
            text, remedy, state = trouble.message, trouble.remedy, ActionState.FAILED
        except Exception as trouble:  # noqa: BLE001 - it is shown, and the page goes on
            text, remedy, state = repr(trouble), "", ActionState.FAILED
        ended = {"ended": time.time_ns(), "state": state, "text": text, "remedy": remedy}
        with self._lock:
            if action.id in self._known:
                self._known[action.id] = action.model_copy(update=ended)
        self._then()
