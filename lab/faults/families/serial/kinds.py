"""The faults of serial lines, as data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from edge_lab.devices.protocols import protocol_of
from edge_lab.devices.serial.faults import CLEAR, LineState, LineStates
from edge_lab.faults.claims import Claims, device_part
from edge_lab.faults.effects import Scope
from edge_lab.faults.families.serial.prooftime import least_probability, proof_seconds
from edge_lab.faults.fault import Fault
from edge_lab.faults.limits import PROOF_SECONDS
from edge_lab.faults.objections import Objection, unknown_name
from edge_lab.topology import SerialOptions, Topology

LEAST_CHANCE = 0.001
"""Minimum per character: about one in 70 reads of 15 characters is affected then."""

Probability = Annotated[
    float, Field(ge=LEAST_CHANCE, le=1, allow_inf_nan=False, description="For each character.")
]
Directions = Literal["both", "rx", "tx"]
"""Directions as seen by the device: `rx` is what it receives."""


class SerialFault(Fault):
    """Base of the faults of a device's serial line."""

    family: ClassVar[str] = "serial"
    device: str
    direction: Directions = "both"

    @property
    def targets(self) -> frozenset[str]:
        return frozenset({f"serial line {self.device}"})

    @property
    def scope(self) -> Scope:
        return Scope(devices=frozenset({self.device}))

    @property
    @abstractmethod
    def state(self) -> LineState:
        """The state of each direction that it changes."""

    @property
    def states(self) -> LineStates:
        state = self.state
        return LineStates(
            rx=CLEAR if self.direction == "tx" else state,
            tx=CLEAR if self.direction == "rx" else state,
        )

    @property
    def lets_nothing_pass(self) -> bool:
        """Whether no read over the line can succeed."""
        return False

    def proof_seconds(self, line: SerialOptions) -> float:
        """Seconds that a proof may take on that line."""
        return PROOF_SECONDS

    def _titled(self, what: str) -> str:
        only = "" if self.direction == "both" else f", {self.direction} only"
        return f"{what} on the serial line of {self.device}{only}"

    def claims(self, topology: Topology) -> Claims:
        return Claims(
            self.targets,
            needs=frozenset({device_part(self.device)}),
            observed_through=frozenset({device_part(self.device)}),
        )

    def objections(self, topology: Topology) -> Iterator[Objection]:
        names = [device.name for device in topology.devices]
        yield from unknown_name("device", self.device, names)
        if self.device in names:
            protocol = topology.device(self.device).protocol
            if not protocol_of(protocol).has_serial_line:
                yield Objection(
                    "device",
                    f"{self.device} has no serial line: it speaks {protocol}",
                    "Devices that speak modbus-rtu have one.",
                )


class RandomSerialFault(SerialFault):
    """Base of faults that affect each character with some probability."""

    probability: Probability
    seed: int = Field(0, ge=0)

    def proof_seconds(self, line: SerialOptions) -> float:
        return proof_seconds(line, self.direction, self.probability)

    def objections(self, topology: Topology) -> Iterator[Objection]:
        """Also objects if the line is too slow for a proof to observe so rare a fault."""
        found = list(super().objections(topology))
        yield from found
        if found:
            return
        line = topology.device(self.device).serial or SerialOptions()
        if self.probability < (least := least_probability(line, self.direction)):
            yield Objection(
                "probability",
                f"{self.probability:g} is too small to be seen on the line of {self.device}: at "
                f"{line.baud} baud too few characters pass while a proof lasts",
                f"Use {least:g} or more, or a faster line.",
            )

    @property
    def lets_nothing_pass(self) -> bool:
        return self.probability == 1

    def seeded(self, seed: int) -> Self:
        if "seed" not in self.model_fields_set:
            return self.model_copy(update={"seed": seed})
        return self


class SerialNoise(RandomSerialFault):
    """One bit of a character arrives wrong."""

    fault: Literal["serial-noise"] = "serial-noise"

    @property
    def title(self) -> str:
        return self._titled(f"noise in {self.probability:.1%} of the characters")

    @property
    def state(self) -> LineState:
        return LineState(noise=self.probability, seed=self.seed)


class SerialLoss(RandomSerialFault):
    """Characters are lost, as in a receiver that is overrun."""

    fault: Literal["serial-loss"] = "serial-loss"

    @property
    def title(self) -> str:
        return self._titled(f"loss of {self.probability:.1%} of the characters")

    @property
    def state(self) -> LineState:
        return LineState(loss=self.probability, seed=self.seed)


class SerialParity(RandomSerialFault):
    """Characters have a wrong parity: the device drops their frame, others read NUL instead."""

    fault: Literal["serial-parity"] = "serial-parity"

    @property
    def title(self) -> str:
        return self._titled(f"wrong parity in {self.probability:.1%} of the characters")

    @property
    def state(self) -> LineState:
        return LineState(wrong_parity=self.probability, seed=self.seed)


class SerialBreak(SerialFault):
    """The line is held at 0, as by a short circuit or a driver that does not let go."""

    fault: Literal["serial-break"] = "serial-break"

    @property
    def title(self) -> str:
        return self._titled("break")

    @property
    def state(self) -> LineState:
        return LineState(is_broken=True)

    @property
    def lets_nothing_pass(self) -> bool:
        return True
