"""A boiler that speaks Modbus TCP: the lab's own plant, with its ground truth."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from edge_lab.addons.models.versions import INPUTS
from edge_lab.devices.plant import Boiler
from edge_lab.devices.points import SETPOINT_REGISTER, block_of
from edge_lab.oracles.models.evidence import Step
from tests.addons.modbusplant import serving

STEP_SECONDS = 0.2
"""Real time of a step; the plant's own time is `PLANT_SECONDS`."""
PLANT_SECONDS = 1.0


class Plant:
    def __init__(self) -> None:
        self._plant, self._seed = Boiler(), 11
        self._state = self._plant.initial(self._seed)
        self._setpoint = 70.0
        self.steps: list[Step] = []
        self._block: list[int] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._step()

    def _step(self) -> None:
        number = len(self.steps) + 1
        state = self._plant.advance(self._state, self._setpoint, PLANT_SECONDS, self._seed, number)
        raw = self._plant.raw(state, self._setpoint)
        inputs = tuple(float(raw[name]) for name in INPUTS)
        with self._lock:
            self._state = state
            self._block = block_of(self._plant.points, number, raw)
            self.steps.append(Step(number, time.time(), inputs))

    def run(self) -> None:
        while not self._over.wait(STEP_SECONDS):
            self._step()

    def end(self) -> None:
        self._over.set()

    def registers(self) -> list[int]:
        with self._lock:
            return list(self._block)

    def known(self) -> tuple[Step, ...]:
        with self._lock:
            return tuple(self.steps)

    def write(self, register: int, value: int) -> None:
        if register == SETPOINT_REGISTER:
            self._setpoint = value / 10


@contextlib.contextmanager
def running_boiler() -> Iterator[tuple[Plant, int]]:
    """The plant, and the port of its server on loopback."""
    plant = Plant()
    with serving(plant) as port:
        yield plant, port
