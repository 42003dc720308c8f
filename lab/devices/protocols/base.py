"""The descriptor of a device protocol.

It provides the server for the device process, the port for faults, the addresses of values for
the sampler and the twins, and the certificates that the lab must create.

Edge-lab's own are in `catalog`. Another distribution provides a protocol by an entry point of the
group `edge_lab.device_protocols`, whose name is the protocol's and whose object is its class.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import BaseModel, ConfigDict

from edge_lab.artifacts import Want
from edge_lab.core.errors import LabError
from edge_lab.devices.plant import PLANTS, Plant
from edge_lab.devices.points import Point
from edge_lab.pki import Request
from edge_lab.topology import Device, Topology

if TYPE_CHECKING:
    from edge_lab.devices.serving import Server, Shown
    from edge_lab.devices.spec import DeviceSpec

Place = Mapping[str, Any]
"""The address of a value at a device; copied unchanged into a Device object's `configData`."""


SAMPLER_SPEAKS = frozenset({"modbus-tcp", "opcua"})
"""Protocols that the sampler can read (images/go/workload/internal/config)."""
MAPPER_SPEAKS = frozenset({"modbus", "opcua"})
"""Protocols that the mapper can read and write (images/mapper/edge_mapper/lines.py)."""

RELAYED_FAULTS = frozenset({"gone", "slow", "junk", "split", "busy"})
"""Faults that the relay implements for every protocol, by its framing alone."""
RESTART_FAULTS = frozenset({"reset", "brown-out", "hang", "slow-clock"})
"""Faults of a device as a whole, which a protocol without sessions can have."""


class Options(BaseModel):
    """The `options` of a device in a topology; each protocol has its own model."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Misfit(NamedTuple):
    """A key of a device that is invalid for its protocol."""

    key: str
    message: str
    remedy: str


class DeviceProtocol:
    """The default of a protocol: without a server in the lab, and without readable values."""

    name: ClassVar[str]
    """Its name in topologies."""

    options: ClassVar[type[BaseModel]] = Options
    """The model of a device's `options`. (Edge-lab's own protocols use other keys.)"""

    is_served: ClassVar[bool] = True
    """Whether the lab itself serves it, with a plant and its ground truth."""

    host_programs: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Programs of the host that its devices need, with their Debian packages."""

    has_serial_line: ClassVar[bool] = False
    """Whether its devices have a serial line (`edge_lab.devices.serial`) beside their link."""

    faults: ClassVar[frozenset[str]] = RELAYED_FAULTS
    """Kinds of `edge_lab.devices.faults` that its devices can have."""

    def _none(self, what: str) -> LabError:
        return LabError(f"a device that speaks {self.name} has no {what}")

    def misfit(self, device: Device) -> Misfit | None:
        """What is invalid in a device of a topology, besides its `options`; None if nothing is."""
        return None

    # -- the device itself ---------------------------------------------------------------

    def port(self, device: Device) -> int | None:
        """A TCP port that always accepts connections; None if there is none."""
        return None

    @property
    def plant(self) -> str:
        """The default plant model; LabError if it has none."""
        raise self._none("plant")

    @property
    def model(self) -> Plant[Any]:
        """The plant itself."""
        return PLANTS[self.plant]

    @property
    def truth_is_raw(self) -> bool:
        """Whether its ground truth has raw numbers of registers, not the values in units."""
        return False

    def identities(self, topology: Topology, device: Device) -> tuple[Request, ...]:
        """The certificates that the device needs.

        The one named `server_identity(device.name)`, in the trust domain DEVICES, is passed to its
        process: `DeviceSpec.identity`.
        """
        return ()

    def make_server(self, spec: DeviceSpec, shown: Shown) -> Server:
        """Creates its server in the device's process; LabError if the lab has no such server."""
        raise self._none("server in the lab")

    def wants(self) -> tuple[Want, ...]:
        """The components that its devices need on the host; `DeviceSpec.files` has them."""
        return ()

    def run(self, spec: DeviceSpec) -> None:
        """Runs a device until SIGTERM, in its process, which has a single thread.

        Raises:
            EdgeLabError: it cannot start, or has ended by itself.
        """
        from edge_lab.devices.device import run_device

        run_device(spec)

    # -- the sampler ---------------------------------------------------------------------

    @property
    def sampler_name(self) -> str:
        """The sampler's name of the protocol, of SAMPLER_SPEAKS."""
        raise self._none("sampler")

    def can_be_sampled(self, device: Device) -> bool:
        """Whether the workload's sampler can read a device with these options.

        A device that it cannot read is served and shown, but not sampled.
        """
        return False

    def sampler_config(self, topology: Topology, device: Device) -> dict[str, Any]:
        """The sampler's configuration of the device, without its name and protocol.

        (images/go/workload/internal/config)
        """
        raise self._none("configuration for the sampler")

    # -- twins ---------------------------------------------------------------------------

    has_twins: ClassVar[bool] = False
    """Whether its devices can have twins: the mapper supports it."""

    @property
    def twin_name(self) -> str:
        """Its name in Device objects and the mapper, of MAPPER_SPEAKS; LabError without twins."""
        raise self._none("twin")

    @property
    def mapper_needs_certificate(self) -> bool:
        """Whether the mapper presents a certificate to the device."""
        return False

    def twin_access(self, topology: Topology, device: Device) -> dict[str, Any]:
        """How the mapper reaches the device."""
        raise self._none("twin")

    def twin_places(self, device: Device, requested: Point) -> dict[str, Place]:
        """The address of each point: the sequence number, the plant's points, and `requested`."""
        raise self._none("twin")

    def missing_place(self, device: Device, point: Point) -> Place:
        """An unused address next to used ones."""
        raise self._none("twin")


def address_of(topology: Topology, device: Device) -> str:
    """The device's address on its link."""
    return str(topology.links_of(device.name)[0].address)
