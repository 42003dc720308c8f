"""What the lab has to know of a protocol that a device speaks.

Everything else asks the descriptor: the device process for its server, faults for its port, the
sampler and the twins for where its values are, the lab for the certificates that it needs.

Edge-lab's own are in `catalog`. Another distribution brings a protocol by an entry point of the
group `edge_lab.device_protocols`, whose name is the protocol's and whose object is its class.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from edge_lab.core.errors import LabError
from edge_lab.devices.plant import PLANTS, Plant
from edge_lab.devices.points import Point
from edge_lab.pki import Request
from edge_lab.topology import Device, Topology

if TYPE_CHECKING:
    from edge_lab.devices.serving import Server, Shown
    from edge_lab.devices.spec import DeviceSpec

Place = Mapping[str, Any]
"""Where at a device a value is; goes into a Device object's `configData` as it is."""


SAMPLER_SPEAKS = frozenset({"modbus-tcp", "opcua"})
"""What the sampler can read (images/go/workload/internal/config)."""
MAPPER_SPEAKS = frozenset({"modbus", "opcua"})
"""What the mapper can read and write (images/mapper/edge_mapper/lines.py)."""

RELAYED_FAULTS = frozenset({"gone", "slow", "junk", "split", "busy"})
"""Faults that the relay before each server does, whatever the protocol, by its framing alone."""


class Options(BaseModel):
    """The `options` of a device in a topology; each protocol has a model of its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DeviceProtocol:
    """A protocol without a server of the lab's, whose values nobody can read."""

    name: ClassVar[str]
    """As topologies say it."""

    options: ClassVar[type[BaseModel]] = Options
    """What a device may be asked for. (For edge-lab's own protocols there are other keys.)"""

    is_served: ClassVar[bool] = True
    """Whether the lab itself serves it, with a plant and its ground truth."""

    faults: ClassVar[frozenset[str]] = RELAYED_FAULTS
    """Kinds of `edge_lab.devices.faults` that its devices can have."""

    def _none(self, what: str) -> LabError:
        return LabError(f"a device that speaks {self.name} has no {what}")

    # -- the device itself ---------------------------------------------------------------

    def port(self, device: Device) -> int | None:
        """The TCP port that surely takes connections; None if none does."""
        return None

    @property
    def plant(self) -> str:
        """The model behind its values, where a device names none; LabError if it has none."""
        raise self._none("plant")

    @property
    def model(self) -> Plant[Any]:
        """The plant itself."""
        return PLANTS[self.plant]

    @property
    def truth_is_raw(self) -> bool:
        """Whether its ground truth holds the raw numbers of its registers, not what they mean."""
        return False

    def identities(self, topology: Topology, device: Device) -> tuple[Request, ...]:
        """The certificates that the device needs.

        One that is called `server_identity(device.name)`, in the trust domain DEVICES, is handed
        to its process: `DeviceSpec.identity`.
        """
        return ()

    def make_server(self, spec: DeviceSpec, shown: Shown) -> Server:
        """What serves it in the device's process; LabError if the lab has no such server."""
        raise self._none("server of the lab's")

    # -- the sampler ---------------------------------------------------------------------

    @property
    def sampler_name(self) -> str:
        """What the sampler calls what the device speaks, of SAMPLER_SPEAKS."""
        raise self._none("sampler")

    def can_be_sampled(self, device: Device) -> bool:
        """Whether the workload's sampler can read a device with these options.

        A device that it cannot read is served and shown, and nobody samples it.
        """
        return False

    def sampler_config(self, topology: Topology, device: Device) -> dict[str, Any]:
        """What the sampler is told of it, its name and protocol apart.

        (images/go/workload/internal/config)
        """
        raise self._none("configuration for the sampler")

    # -- twins ---------------------------------------------------------------------------

    has_twins: ClassVar[bool] = False
    """Whether nodes can keep twins of its devices: the mapper can speak it."""

    @property
    def twin_name(self) -> str:
        """What Device objects and the mapper call it, of MAPPER_SPEAKS; LabError if there are no
        such twins."""
        raise self._none("twin")

    @property
    def mapper_needs_certificate(self) -> bool:
        """Whether the mapper shows a certificate to the device."""
        return False

    def twin_access(self, topology: Topology, device: Device) -> dict[str, Any]:
        """How the mapper reaches the device."""
        raise self._none("twin")

    def twin_places(self, device: Device, requested: Point) -> dict[str, Place]:
        """By point, where it is: the sequence number, the plant's points, and `requested`."""
        raise self._none("twin")

    def missing_place(self, device: Device, point: Point) -> Place:
        """A place where the device has nothing, next to those where it has something."""
        raise self._none("twin")


def address_of(topology: Topology, device: Device) -> str:
    """The device's address on its link."""
    return str(topology.links_of(device.name)[0].address)
