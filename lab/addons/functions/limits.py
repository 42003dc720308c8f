"""The limits of devices that an edge node watches, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge_lab.addons.workload.manifests import sampled_devices
from edge_lab.devices.protocols import protocol_of
from edge_lab.topology import Device, Node, Topology


@dataclass(frozen=True)
class Crossing:
    """One crossing of a limit in a device's ground truth; steps are sequence numbers."""

    rearmed: int
    """The step that armed the limit: the next value above it is a crossing."""
    first: int
    """The step that crossed it."""
    last: int
    """The last step before the limit is armed again; the step of its event is not later."""


@dataclass(frozen=True)
class Limit:
    """A raw value over `above` crosses it; one below `again_below` arms it again."""

    point: str
    above: int
    again_below: int

    def crossings(self, values: Iterable[tuple[int, int]]) -> tuple[Crossing, ...]:
        """The crossings in a device's steps, given as sequence numbers and values. The program uses
        the same rule (images/go/functions/internal/events)."""
        found: list[Crossing] = []
        rearmed: int | None = None
        over = False
        for number, value in values:
            if value < self.again_below:
                if rearmed is None:
                    rearmed = number
                over = False
            elif value > self.above and rearmed is not None:
                found.append(Crossing(rearmed, number, number))
                rearmed, over = None, True
            elif over:
                found[-1] = replace(found[-1], last=number)
        return tuple(found)


LIMITS = (Limit("temperature", above=705, again_below=695),)
"""Limits of each Modbus TCP device with such a point. A boiler at its first setpoint of 70 °C
exceeds 70.5 °C about every twenty seconds."""


@dataclass(frozen=True)
class Watched:
    """A limit of one device, with the parameters to read its point."""

    device: Device
    limit: Limit
    address: str
    unit: int
    register: int
    kind: str


def watched_limits(topology: Topology, node: Node) -> tuple[Watched, ...]:
    """The limits that a node watches."""
    return tuple(_watched(topology, node))


def _watched(topology: Topology, node: Node) -> Iterable[Watched]:
    for device in sampled_devices(topology, node):
        config: Mapping[str, Any] = protocol_of(device.protocol).sampler_config(topology, device)
        registers = {
            point["name"]: point for point in config.get("points", ()) if "register" in point
        }
        for limit in LIMITS:
            if limit.point in registers and "address" in config:
                point = registers[limit.point]
                yield Watched(
                    device=device,
                    limit=limit,
                    address=config["address"],
                    unit=config["unit"],
                    register=point["register"],
                    kind=point["kind"],
                )


def watching_nodes(topology: Topology) -> tuple[Node, ...]:
    """The edge nodes that watch at least one limit."""
    return tuple(node for node in topology.edges if watched_limits(topology, node))
