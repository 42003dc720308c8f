"""What the lab has to know of a protocol that a device speaks.

Everything else asks the descriptor: the device process for its server, faults for its port, the
sampler and the twins for where its values are, the lab for the certificates that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edge_lab.core.errors import LabError
from edge_lab.devices.points import Point
from edge_lab.pki import Request
from edge_lab.topology import Device, Protocol, Topology

if TYPE_CHECKING:
    from edge_lab.devices.serving import Server, Shown
    from edge_lab.devices.spec import DeviceSpec

Place = Mapping[str, Any]
"""Where at a device a value is; goes into a Device object's `configData` as it is."""


class DeviceProtocol:
    """A protocol without a server of the lab's, whose values nobody can read."""

    def __init__(self, name: Protocol) -> None:
        self.name = name

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
    def truth_is_raw(self) -> bool:
        """Whether its ground truth holds the raw numbers of its registers, not what they mean."""
        return False

    def identities(self, topology: Topology, device: Device) -> tuple[Request, ...]:
        """The certificates that the device needs."""
        return ()

    def make_server(self, spec: DeviceSpec, shown: Shown) -> Server:
        """What serves it in the device's process; LabError if the lab has no such server."""
        raise self._none("server of the lab's")

    # -- the sampler ---------------------------------------------------------------------

    def can_be_sampled(self, device: Device) -> bool:
        """Whether the workload's sampler can read a device with these options."""
        return False

    def sampler_config(self, topology: Topology, device: Device) -> dict[str, Any]:
        """What the sampler is told of it, its name and protocol apart.

        (images/go/workload/internal/config)
        """
        raise self._none("configuration for the sampler")

    # -- twins ---------------------------------------------------------------------------

    @property
    def twin_name(self) -> str:
        """What Device objects and the mapper call it; LabError if nodes keep no such twins."""
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
