"""A topology as a user writes it, checked against the add-ons and stacks that there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_lab.addons import catalog
from edge_lab.addons.base import AddOn
from edge_lab.addons.catalog import find_addon, known_addons
from edge_lab.core.errors import InputError
from edge_lab.devices.protocols import check_devices
from edge_lab.fabric.hostlinks import check_host_interfaces
from edge_lab.machines.external.hardware import check_drivers
from edge_lab.stacks import Stack, get_stack
from edge_lab.topology import RUNC, Topology, TopologyProblem
from edge_lab.topology import load_topology as read_topology


def load_topology(path: Path, *, name: str | None = None, here: bool = False) -> Topology:
    """As `edge_lab.topology.load_topology`, and its devices' protocols and its add-ons are
    known, and fit what is asked of them; with `here`, so are the interfaces of this host, and the
    drivers of external nodes.

    Raises:
        InputError: with file, line and remedy.
    """

    def check(topology: Topology) -> None:
        check_plugins(topology)
        if here:
            check_host_interfaces(topology)
            check_drivers(topology)

    return read_topology(path, name=name, check=check)


def check_plugins(topology: Topology) -> None:
    """TopologyProblem if it asks for a protocol or an add-on that cannot be had so."""
    check_devices(topology)
    check_addons(topology)


def check_addons(topology: Topology) -> None:
    """TopologyProblem if an add-on is unknown, missing, or lacks what it needs."""
    addons = [_found(topology, index) for index in range(len(topology.addons))]
    stacks = _known_stacks(topology)
    for index, addon in enumerate(addons):
        for needed in addon.needs_addons:
            if needed not in topology.addons:
                raise TopologyProblem(
                    f"the add-on {addon.name!r} needs the add-on {needed!r}",
                    ("addons", index),
                    f"Add {needed} to `addons`.",
                )
        for number, stack in enumerate(stacks):
            if lack := lacking(addon, stack):
                raise TopologyProblem(
                    f"the add-on {addon.name!r} needs {lack}, which the stack {stack.name} of this "
                    "topology lacks",
                    ("stacks", number),
                    f"Remove the stack from `stacks`, or {addon.name} from `addons`.",
                )
        addon.check(topology)
    _check_container_runtimes(topology, addons)
    for name in catalog.ADDONS:
        at = find_addon(name).asked_for_at(topology)
        if at is not None and name not in topology.addons:
            raise TopologyProblem(
                f"this needs the add-on {name!r}, which the topology does not list",
                at,
                f"Add {name} to `addons`.",
            )


def _check_container_runtimes(topology: Topology, addons: Sequence[AddOn]) -> None:
    known = {RUNC}.union(*(addon.container_runtimes for addon in addons))
    for index, node in enumerate(topology.nodes):
        if node.container_runtime not in known:
            bringers = [
                name
                for name in catalog.ADDONS
                if node.container_runtime in find_addon(name).container_runtimes
            ]
            raise TopologyProblem(
                f"no add-on of this topology brings the container runtime "
                f"{node.container_runtime!r}",
                ("nodes", index, "container_runtime"),
                f"Add {bringers[0]} to `addons`."
                if bringers
                else f"Known here are: {', '.join(sorted(known))}.",
            )


def lacking(addon: AddOn, stack: Stack) -> str:
    """What the add-on needs and the stack cannot do, for a message; empty if it fits."""
    missing = sorted(addon.needs_capabilities - {str(name) for name in stack.capabilities})
    return ", ".join(missing)


def _found(topology: Topology, index: int) -> AddOn:
    name = topology.addons[index]
    try:
        return find_addon(name)
    except InputError as trouble:
        raise TopologyProblem(
            trouble.message,
            ("addons", index),
            trouble.remedy or f"Known are: {', '.join(known_addons())}.",
        ) from trouble


def _known_stacks(topology: Topology) -> list[Stack]:
    """Its stacks; whether there are such is found out elsewhere."""
    found = []
    for name in topology.stacks:
        try:
            found.append(get_stack(name))
        except InputError:
            return []
    return found
