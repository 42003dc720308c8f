"""Each protocol has one descriptor, and sampler and mapper know it by the same names."""

from __future__ import annotations

import ast
import re

import pytest

from edge_lab.core.errors import InputError, LabError
from edge_lab.data import IMAGES
from edge_lab.devices.plant import PLANTS
from edge_lab.devices.points import Point
from edge_lab.devices.protocols import (
    MAPPER_SPEAKS,
    PROTOCOLS,
    SAMPLER_SPEAKS,
    DeviceProtocol,
    protocol_of,
)
from edge_lab.topology import Device, Protocol, Topology

SERVED = [name for name in Protocol if name is not Protocol.CONTAINER]


def mapper_protocols() -> set[str]:
    """The names that the mapper takes, by its source."""
    tree = ast.parse((IMAGES / "mapper/edge_mapper/lines.py").read_text(encoding="utf-8"))
    constants = {
        target.id: value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
        for names in node.targets
        if isinstance(names, ast.Tuple)
        for target, value in zip(names.elts, node.value.elts, strict=True)
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant)
    }
    return {str(value) for value in constants.values()}


def sampler_protocols() -> set[str]:
    """The names that the sampler takes, by its source."""
    source = (IMAGES / "go/workload/internal/config/config.go").read_text(encoding="utf-8")
    return {found[1] for found in re.finditer(r'^\t(?:Modbus|OPCUA)\s*= "([^"]+)"$', source, re.M)}


@pytest.mark.parametrize("name", Protocol)
def test_every_protocol_of_a_topology_has_its_descriptor(name: Protocol) -> None:
    assert protocol_of(name).name == name


def test_a_protocol_without_one_is_an_error_and_never_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = {name: PROTOCOLS[name] for name in Protocol if name != Protocol.OPCUA}
    monkeypatch.setattr("edge_lab.devices.protocols.catalog.PROTOCOLS", known)
    with pytest.raises(InputError, match="opcua"):
        protocol_of(Protocol.OPCUA)


@pytest.mark.parametrize("name", SERVED)
def test_what_the_lab_serves_has_a_plant_a_port_and_twins(name: Protocol) -> None:
    protocol, device = protocol_of(name), Device(name="any", protocol=name)
    assert protocol.port(device)
    assert protocol.has_twins
    assert protocol.twin_name in mapper_protocols()
    requested = Point("requested_setpoint", "")
    places = protocol.twin_places(device, requested)
    assert {point.name for point in PLANTS[protocol.plant].points} <= set(places)
    assert protocol.missing_place(device, Point("missing", "")) not in places.values()
    if protocol.can_be_sampled(device):
        assert protocol.sampler_name in sampler_protocols()


def test_what_a_descriptor_may_say_is_what_sampler_and_mapper_speak() -> None:
    assert sampler_protocols() == SAMPLER_SPEAKS
    assert mapper_protocols() == MAPPER_SPEAKS


def test_a_container_is_only_a_port(default_topology: Topology) -> None:
    protocol, device = protocol_of(Protocol.CONTAINER), Device(name="any", image="meter", port=80)
    assert protocol.port(device) == 80
    assert not protocol.can_be_sampled(device)
    assert not protocol.identities(default_topology, device)


def test_whatever_a_protocol_does_not_say_is_an_error(default_topology: Topology) -> None:
    class Silent(DeviceProtocol):
        name = Protocol.CONTAINER.value

    protocol, device = Silent(), Device(name="any", image="meter")
    for ask in (
        lambda: protocol.plant,
        lambda: protocol.twin_name,
        lambda: protocol.sampler_name,
        lambda: protocol.twin_access(default_topology, device),
        lambda: protocol.sampler_config(default_topology, device),
        lambda: protocol.missing_place(device, Point("missing", "")),
    ):
        with pytest.raises(LabError, match="container"):
            ask()
