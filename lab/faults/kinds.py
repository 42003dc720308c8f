"""What can be done to a lab, as data: on wires, on nodes, on devices.

A fault says what and where, never for how long: that is the affair of whoever injects it.
Its `target` is the thing that it lays hold of: no two faults in force share one, so that a
heal always knows what to put back.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from edge_lab.devices.faults import DeviceFault
from edge_lab.fabric.state import Impairment, Match

Which = Literal["both", "tx", "rx"]
"""Directions of a link, named from its endpoint: `tx` is what it sends, `rx` what it receives."""


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def targets(self) -> frozenset[str]:
        """What it lays hold of."""
        raise NotImplementedError

    @property
    def title(self) -> str:
        """In a few words, for logs and pictures."""
        raise NotImplementedError


# -- wires -------------------------------------------------------------------------------------


Way = Literal["tx", "rx"]


class _OnLink(_Fault):
    link: str

    @property
    def ways(self) -> tuple[Way, ...]:
        """The directions that it lays hold of."""
        return ("tx", "rx")

    @property
    def targets(self) -> frozenset[str]:
        return frozenset(f"link {self.link} {way}" for way in self.ways)


class _WireFault(_OnLink):
    direction: Which = "both"

    @property
    def ways(self) -> tuple[Way, ...]:
        return ("tx", "rx") if self.direction == "both" else (self.direction,)

    def _titled(self, what: str) -> str:
        way = "" if self.direction == "both" else f", {self.direction} only"
        return f"{what} on {self.link}{way}"


class Cut(_WireFault):
    """The cable is out. With both directions cut, the endpoint sees its carrier go."""

    fault: Literal["cut"] = "cut"

    @property
    def title(self) -> str:
        return self._titled("cut")


class Drop(_WireFault):
    """Frames vanish and the carrier stays; with `match`, only frames that it describes."""

    fault: Literal["drop"] = "drop"
    match: Match | None = None

    @property
    def title(self) -> str:
        return self._titled(f"drop of {self.match}" if self.match else "drop")


class HalfOpen(_WireFault):
    """TCP connections that stand die in silence; new ones pass (a firewall that restarted)."""

    fault: Literal["half-open"] = "half-open"

    @property
    def title(self) -> str:
        return self._titled("half-open")


class Impair(_WireFault, Impairment):
    """A bad line: delay, loss, duplicates, disorder, corruption, rate, MTU, in any mixture."""

    fault: Literal["impair"] = "impair"

    @property
    def title(self) -> str:
        return self._titled(str(self.impairment))

    @property
    def impairment(self) -> Impairment:
        """What it does to a direction."""
        return Impairment(**{name: getattr(self, name) for name in Impairment.model_fields})


class Profile(_OnLink):
    """The link behaves as a named kind of line: see `edge_lab.faults.profiles`."""

    fault: Literal["profile"] = "profile"
    name: str

    @property
    def title(self) -> str:
        return f"{self.name} on {self.link}"


class Flap(_WireFault):
    """Frames vanish and pass in turn, `count` times; then the link stays up.

    The carrier stays. Where it shall go too, let a plan cut the link again and again.
    """

    fault: Literal["flap"] = "flap"
    period_s: float = Field(gt=0, le=3600, description="Down and up together, seconds.")
    duty: float = Field(0.5, gt=0, lt=1, description="Part of a period for which it is down.")
    count: int = Field(ge=1, le=10_000)
    jitter: float = Field(0.0, ge=0, lt=1, description="Each period is so much longer or shorter.")
    seed: int = Field(0, ge=0)

    @property
    def title(self) -> str:
        return self._titled(f"flap, {self.count} times {self.period_s:g} s")


# -- nodes -------------------------------------------------------------------------------------


class _NodeFault(_Fault):
    node: str

    @property
    def targets(self) -> frozenset[str]:
        return frozenset({f"node {self.node} {self._hold}"})

    @property
    def _hold(self) -> str:
        """What of the node it lays hold of."""
        return "power"


class _ServiceFault(_NodeFault):
    service: str = Field(pattern=r"^[\w@.:-]+$")

    @property
    def _hold(self) -> str:
        return self.service


class _ClockFault(_NodeFault):
    @property
    def _hold(self) -> str:
        return "clock"


class PowerOff(_NodeFault):
    """The plug is pulled; the heal puts it in again and waits for the boot."""

    fault: Literal["power-off"] = "power-off"

    @property
    def title(self) -> str:
        return f"{self.node} without power"


class Reboot(_NodeFault):
    """The node starts anew: in good order, or by its reset button. Healed once it is up."""

    fault: Literal["reboot"] = "reboot"
    orderly: bool = False

    @property
    def title(self) -> str:
        return f"{'reboot' if self.orderly else 'reset'} of {self.node}"


class Pause(_NodeFault):
    """All CPUs stand still, as if the machine were frozen."""

    fault: Literal["pause"] = "pause"

    @property
    def title(self) -> str:
        return f"{self.node} paused"


class Kill(_ServiceFault):
    """SIGKILL to the main process of a systemd service; systemd may start it again."""

    fault: Literal["kill"] = "kill"

    @property
    def title(self) -> str:
        return f"{self.service} killed on {self.node}"


class Freeze(_ServiceFault):
    """SIGSTOP to the main process of a systemd service; the heal sends SIGCONT."""

    fault: Literal["freeze"] = "freeze"

    @property
    def title(self) -> str:
        return f"{self.service} stopped on {self.node}"


class ClockJump(_ClockFault):
    """The clock is set ahead or back at once; the heal sets it right."""

    fault: Literal["clock-jump"] = "clock-jump"
    seconds: float = Field(ge=-86_400 * 3650, le=86_400 * 3650)

    @property
    def title(self) -> str:
        return f"clock of {self.node} {self.seconds:+g} s"


class ClockSkew(_ClockFault):
    """The clock runs too fast or too slow; the heal gives it its pace and sets it right."""

    fault: Literal["clock-skew"] = "clock-skew"
    ppm: int = Field(ge=-100_000, le=100_000, description="Microseconds gained in a second.")

    @property
    def title(self) -> str:
        return f"clock of {self.node} {self.ppm:+d} ppm"


class DiskFull(_NodeFault):
    """The file system of `path` is filled up to `leave_mib`; the heal takes the filler away."""

    fault: Literal["disk-full"] = "disk-full"
    path: str = Field("/var", pattern=r"^/[\w./-]*$")
    leave_mib: int = Field(0, ge=0)

    @property
    def _hold(self) -> str:
        return "disk space"

    @property
    def title(self) -> str:
        return f"disk of {self.node} full"


class SlowDisk(_NodeFault):
    """The disk does no more than `iops` operations a second."""

    fault: Literal["slow-disk"] = "slow-disk"
    iops: int = Field(ge=1, le=100_000)

    @property
    def _hold(self) -> str:
        return "disk pace"

    @property
    def title(self) -> str:
        return f"disk of {self.node} at {self.iops} operations a second"


# -- devices -----------------------------------------------------------------------------------


class OnDevice(_Fault):
    """What a device does wrong: see `edge_lab.devices.faults`."""

    fault: Literal["device"] = "device"
    device: str
    does: DeviceFault

    @property
    def targets(self) -> frozenset[str]:
        return frozenset({f"device {self.device}"})

    @property
    def title(self) -> str:
        return f"{self.device} {self.does}"


WireFault = Cut | Drop | HalfOpen | Impair | Profile | Flap
NodeFault = PowerOff | Reboot | Pause | Kill | Freeze | ClockJump | ClockSkew | DiskFull | SlowDisk
Fault = Annotated[WireFault | NodeFault | OnDevice, Field(discriminator="fault")]
FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)
