"""A device that speaks Modbus TCP and is over its limit once in a while, with its ground truth."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from suites.functions.evidence import Step
from tests.addons.modbusplant import serving

LOW, HIGH = 680, 720
"""Values below and above the limit."""


class Plant:
    """Takes a step each `step_s`; of `cycle` steps the second half is over the limit."""

    def __init__(self, step_s: float, cycle: int) -> None:
        self.steps: list[Step] = []
        self._step_s, self._cycle = step_s, cycle
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._step()

    def _step(self) -> None:
        number = len(self.steps) + 1
        value = HIGH if number % self._cycle >= self._cycle / 2 else LOW
        with self._lock:
            self.steps.append(Step(number, time.time_ns(), value))

    def run(self) -> None:
        while not self._over.wait(self._step_s):
            self._step()

    def end(self) -> None:
        self._over.set()

    def registers(self) -> tuple[int, ...]:
        with self._lock:
            newest = self.steps[-1]
        return (newest.seq >> 16, newest.seq & 0xFFFF, newest.value)

    def write(self, register: int, value: int) -> None:
        """Nothing can be written."""

    def known(self) -> tuple[Step, ...]:
        with self._lock:
            return tuple(self.steps)


@contextlib.contextmanager
def running_plant(step_s: float = 0.1, cycle: int = 20) -> Iterator[tuple[Plant, str]]:
    """The plant, and `address:port` of its server."""
    plant = Plant(step_s, cycle)
    with serving(plant) as port:
        yield plant, f"127.0.0.1:{port}"
