"""Small physical models that generate a device's values: pure, seeded, reproducible.

A model's state is a frozen dataclass of numbers; `advance` computes the next one from it.
The noise of a step comes from a generator seeded with (seed, sequence number), so that state
and seed are sufficient to continue.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from random import Random
from typing import Any, Generic, TypeVar

from edge_lab.devices.points import Kind, Point

S = TypeVar("S")

AMBIENT = 20.0
"""Temperature around the plant, °C."""

_SUBSTEP = 1.0
"""Maximum step size, s: with longer ones Euler's method oscillates."""


@dataclass(frozen=True)
class Setpoint:
    """The setpoint of an operator, with its bounds; all in the point's unit."""

    point: Point
    initial: float
    low: float
    high: float

    def accepts(self, raw: int) -> bool:
        """Whether the raw number lies within the bounds."""
        return self.point.raw(self.low) <= raw <= self.point.raw(self.high)


@dataclass(frozen=True)
class Flag:
    """A boolean condition of the plant, computed from its points' raw values."""

    name: str
    holds: Callable[[Mapping[str, int]], bool]


class Plant(ABC, Generic[S]):
    """One model. Times are s; see each point for the unit of a value."""

    name: str
    points: tuple[Point, ...]
    setpoint: Setpoint
    flags: tuple[Flag, ...]
    state: type[S]

    @abstractmethod
    def start(self, noise: Random) -> S:
        """The initial state."""

    @abstractmethod
    def move(self, state: S, setpoint: float, seconds: float, noise: Random) -> S:
        """The state after `seconds`, at most one."""

    @abstractmethod
    def readings(self, state: S) -> Mapping[str, float]:
        """Each point's value except the setpoint's, in its unit."""

    def initial(self, seed: int) -> S:
        """The first state for `seed`."""
        return self.start(Random(f"{seed}:start"))

    def advance(self, state: S, setpoint: float, seconds: float, seed: int, sequence: int) -> S:
        """The state `seconds` later; `sequence` is the number of this step."""
        noise = Random(f"{seed}:{sequence}")
        while seconds > 0:
            state = self.move(state, setpoint, min(seconds, _SUBSTEP), noise)
            seconds -= _SUBSTEP
        return state

    def raw(self, state: S, setpoint: float) -> dict[str, int]:
        """Raw value of each point by name."""
        values = {**self.readings(state), self.setpoint.point.name: setpoint}
        return {point.name: point.raw(values[point.name]) for point in self.points}

    def dump(self, state: S) -> dict[str, float]:
        """The state as plain numbers, for JSON."""
        return asdict(state)  # type: ignore[call-overload, no-any-return]

    def load(self, numbers: Mapping[str, float]) -> S:
        """The inverse of `dump`."""
        known = {field.name for field in fields(self.state)}  # type: ignore[arg-type]
        if known != set(numbers):
            raise ValueError(f"not a state of a {self.name}: {sorted(numbers)}")
        return self.state(**numbers)


def _held(value: float, low: float, high: float) -> float:
    return min(high, max(low, value))


# -- a boiler ----------------------------------------------------------------------------


@dataclass(frozen=True)
class BoilerState:
    temperature: float
    pressure: float
    valve: float
    heater: int
    energy: float


class Boiler(Plant[BoilerState]):
    """A heater with hysteresis; the pressure follows the temperature, the flow the valve."""

    name = "boiler"
    points = (
        Point("temperature", "°C", digits=1),
        Point("pressure", "bar", digits=2),
        Point("flow", "l/min", digits=1),
        Point("valve", "%"),
        Point("heater", "0 off, 1 on"),
        Point("setpoint", "°C", digits=1),
        Point("energy", "Wh", Kind.INT32),
    )
    setpoint = Setpoint(points[5], initial=70.0, low=40.0, high=95.0)
    flags = (
        Flag("heating", lambda raw: raw["heater"] == 1),
        Flag("hot", lambda raw: raw["temperature"] > raw["setpoint"]),
        Flag("valve_open", lambda raw: raw["valve"] >= 50),
    )
    state = BoilerState

    HYSTERESIS = 2.0
    """K to either side of the setpoint."""
    HEATING = 0.9
    """K/s while the heater is on."""
    POWER = 24_000.0
    """W while the heater is on."""

    def start(self, noise: Random) -> BoilerState:
        temperature = noise.uniform(60.0, 70.0)
        return BoilerState(temperature, self._pressure_at(temperature), noise.uniform(30, 70), 0, 0)

    def move(
        self, state: BoilerState, setpoint: float, seconds: float, noise: Random
    ) -> BoilerState:
        heater = state.heater
        if state.temperature < setpoint - self.HYSTERESIS:
            heater = 1
        elif state.temperature > setpoint + self.HYSTERESIS:
            heater = 0
        valve = _held(state.valve + noise.gauss(0, 2.0) * seconds, 20, 100)
        loss = (0.003 + 0.00004 * valve) * (state.temperature - AMBIENT)
        rate = heater * self.HEATING - loss
        temperature = _held(state.temperature + rate * seconds + noise.gauss(0, 0.05), 5, 110)
        lag = 0.3 * seconds
        pressure = state.pressure + lag * (self._pressure_at(temperature) - state.pressure)
        return BoilerState(
            temperature,
            _held(pressure, 0.5, 6.0),
            valve,
            heater,
            state.energy + heater * self.POWER * seconds / 3600,
        )

    @staticmethod
    def _pressure_at(temperature: float) -> float:
        return 1.0 + 0.025 * (temperature - AMBIENT)

    def readings(self, state: BoilerState) -> Mapping[str, float]:
        return {
            "temperature": state.temperature,
            "pressure": state.pressure,
            "flow": 0.45 * state.valve,
            "valve": state.valve,
            "heater": state.heater,
            "energy": state.energy,
        }


# -- a press -----------------------------------------------------------------------------


@dataclass(frozen=True)
class PressState:
    phase: int
    position: float
    force: float
    held: float
    parts: int
    oil: float


class Press(Plant[PressState]):
    """A hydraulic press: closing, pressing up to the set force, opening, loading a part."""

    LOADING, CLOSING, PRESSING, OPENING = range(4)

    name = "press"
    points = (
        Point("phase", "0 loading, 1 closing, 2 pressing, 3 opening"),
        Point("force", "kN", digits=1),
        Point("position", "mm", digits=1),
        Point("parts", "", Kind.INT32),
        Point("oil_temperature", "°C", digits=1),
        Point("setpoint", "kN", digits=1),
    )
    setpoint = Setpoint(points[5], initial=250.0, low=50.0, high=500.0)
    flags = (
        Flag("pressing", lambda raw: raw["phase"] == Press.PRESSING),
        Flag("loading", lambda raw: raw["phase"] == Press.LOADING),
    )
    state = PressState

    STROKE = 200.0
    """mm between open (0) and closed."""
    SPEED = 80.0
    """mm/s."""
    LOADING_TIME = 3.0
    """s."""
    DWELL = 2.0
    """s under force."""

    def start(self, noise: Random) -> PressState:
        return PressState(self.LOADING, 0, 0, 0, 0, noise.uniform(32, 38))

    def move(self, state: PressState, setpoint: float, seconds: float, noise: Random) -> PressState:
        held = state.held + seconds
        working = 0.0
        if state.phase == self.LOADING:
            moved = replace(state, held=held)
            if held >= self.LOADING_TIME + noise.uniform(-0.5, 0.5):
                moved = replace(moved, phase=self.CLOSING, held=0)
        elif state.phase == self.CLOSING:
            position = state.position + self.SPEED * seconds
            moved = replace(state, position=_held(position, 0, self.STROKE), held=held)
            if position >= self.STROKE:
                moved = replace(moved, phase=self.PRESSING, held=0)
        elif state.phase == self.PRESSING:
            force = state.force + (setpoint - state.force) * _held(1.5 * seconds, 0, 1)
            moved = replace(state, force=_held(force + noise.gauss(0, 0.8), 0, 520), held=held)
            working = 0.5
            if held >= self.DWELL:
                moved = replace(moved, phase=self.OPENING, held=0)
        else:
            position = state.position - self.SPEED * seconds
            moved = replace(state, position=_held(position, 0, self.STROKE), force=0, held=held)
            if position <= 0:
                moved = replace(moved, phase=self.LOADING, held=0, parts=state.parts + 1)
        cooling = 0.01 * (state.oil - AMBIENT)
        return replace(moved, oil=_held(state.oil + (working - cooling) * seconds, 10, 90))

    def readings(self, state: PressState) -> Mapping[str, float]:
        return {
            "phase": state.phase,
            "force": state.force,
            "position": state.position,
            "parts": state.parts,
            "oil_temperature": state.oil,
        }


PLANTS: Mapping[str, Plant[Any]] = {plant.name: plant for plant in (Boiler(), Press())}
