"""The objects of twins: what stands in them is where the devices have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_lab.addons.twins.manifests import (
    device_definitions,
    device_manifest,
    mapper_rights,
    model_manifest,
    properties_of,
    twin_manifests,
)
from edge_lab.addons.twins.missing import MISSING, partial_twin
from edge_lab.devices.points import REQUESTED_SETPOINT, SEQUENCE, block_of, read_block
from edge_lab.devices.protocols import plant_of
from edge_lab.topology import Device, ModbusOptions, Protocol, Topology, load_topology
from edge_lab.topology.device import WordOrder
from images.mapper.edge_mapper.modbus import Place
from images.mapper.edge_mapper.objects import checked, parse_device, parse_model
from images.mapper.edge_mapper.values import Refused
from tests.twins.everywhere import with_all_twins

CYCLE_MS = 10_000
DEFAULT = Path(__file__).parents[2] / "labs" / "default.yaml"


@pytest.fixture(scope="module")
def topology() -> Topology:
    return with_all_twins(load_topology(DEFAULT))


def every(_device: Device) -> int:
    return CYCLE_MS


def test_each_twin_of_the_topology_has_its_objects(topology: Topology) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in twin_manifests(topology, every)]
    assert names == [
        ("Namespace", "edge-lab"),
        ("DeviceModel", "boiler"),
        ("DeviceModel", "press"),
        ("Device", "boiler-edge-arm"),
        ("Device", "boiler-edge-riscv"),
        ("Device", "press-edge-arm"),
        ("Device", "press-edge-riscv"),
    ]


@pytest.mark.parametrize("name", ["boiler", "press"])
def test_the_mapper_understands_all_of_them(topology: Topology, name: str) -> None:
    device = topology.device(name)
    found = parse_device(
        device_manifest(topology, device, "edge-arm", cycle_ms=CYCLE_MS),
        parse_model(model_manifest(device)),
    )
    assert found.complaints == ()
    points = [point.name for point in plant_of(device.protocol).points]
    assert list(found.properties) == [SEQUENCE, *points, REQUESTED_SETPOINT]
    writable = [each.name for each in found.properties.values() if each.model.writable]
    assert writable == [REQUESTED_SETPOINT]


@pytest.mark.parametrize("order", WordOrder)
def test_the_registers_are_where_the_device_has_them(topology: Topology, order: WordOrder) -> None:
    device = topology.device("boiler").model_copy(
        update={"modbus": ModbusOptions(word_order=order)}
    )
    plant = plant_of(device.protocol)
    raw = plant.raw(plant.initial(7), 70.0)
    block = block_of(plant.points, 4711, raw, order)
    assert read_block(plant.points, block, order) == (4711, raw)
    for each in properties_of(device):
        place = Place.of(each.place)
        if each.point.name == REQUESTED_SETPOINT:
            continue
        value = place.decode(block[place.register : place.end])
        expected = 4711 if each.point.name == SEQUENCE else raw[each.point.name]
        assert isinstance(value, int | float)
        assert each.point.raw(float(value)) == expected


def test_the_bounds_of_the_setpoint_are_the_plants(topology: Topology) -> None:
    device = topology.device("boiler")
    model = parse_model(model_manifest(device))

    def ask(value: str) -> Any:
        manifest = device_manifest(topology, device, "edge-arm", cycle_ms=CYCLE_MS)
        for each in manifest["spec"]["properties"]:
            if each["name"] == REQUESTED_SETPOINT:
                each["desired"] = {"value": value}
        return checked(parse_device(manifest, model), REQUESTED_SETPOINT)

    assert (ask("40"), ask("95.0")) == (40.0, 95.0)
    for value in ("39.9", "95.1", "cold"):
        with pytest.raises(Refused):
            ask(value)


def test_a_device_of_rtu_frames_says_so(topology: Topology) -> None:
    device = topology.device("boiler").model_copy(update={"protocol": Protocol.MODBUS_RTU})
    manifest = device_manifest(topology, device, "edge-arm", cycle_ms=CYCLE_MS)
    config = manifest["spec"]["protocol"]["configData"]
    assert config["framing"] == "rtu"


def test_a_name_a_cycle_and_properties_may_be_ones_own(topology: Topology) -> None:
    device: Device = topology.device("boiler")
    manifest = device_manifest(
        topology, device, "edge-arm", name="other", cycle_ms=30_000, only=[SEQUENCE]
    )
    (only,) = manifest["spec"]["properties"]
    assert (manifest["metadata"]["name"], only["name"]) == ("other", SEQUENCE)
    assert (only["collectCycle"], only["reportCycle"]) == (30_000, 30_000)


def test_each_device_has_the_cycle_that_it_is_given(topology: Topology) -> None:
    given = {"boiler": 7_000, "press": 9_000}
    cycles = {
        (manifest["spec"]["deviceModelRef"]["name"], each[kind])
        for manifest in twin_manifests(topology, lambda device: given[device.name])
        if manifest["kind"] == "Device"
        for each in manifest["spec"]["properties"]
        for kind in ("collectCycle", "reportCycle")
    }
    assert cycles == set(given.items())


def test_mappers_may_report_and_change_nothing_else() -> None:
    role, binding = mapper_rights()
    by_resource = {name: rule["verbs"] for rule in role["rules"] for name in rule["resources"]}
    assert by_resource == {
        "devices": ["get", "list", "watch"],
        "devicemodels": ["get", "list", "watch"],
        "devicestatuses": ["get", "create", "patch"],
    }
    assert binding["subjects"][0]["name"] == "edge-lab:mappers"


def test_of_kubeedges_definitions_only_those_of_devices_are_taken() -> None:
    names = ("devices.devices.kubeedge.io", "rules.rules.kubeedge.io")
    documents = [{"metadata": {"name": name}} for name in names]
    assert [each["metadata"]["name"] for each in device_definitions([*documents, None])] == [
        names[0]
    ]


def test_a_topology_without_twins_has_none(topology: Topology) -> None:
    bare = topology.model_copy(
        update={
            "devices": tuple(each.model_copy(update={"twins": ()}) for each in topology.devices)
        }
    )
    assert len(twin_manifests(bare, every)) == 1


@pytest.mark.parametrize("name", ["boiler", "press"])
def test_a_partial_twin_asks_for_all_and_for_one_thing_more(topology: Topology, name: str) -> None:
    device = topology.device(name)
    model, manifest = partial_twin(topology, device, "edge-arm", name="part", cycle_ms=CYCLE_MS)
    found = parse_device(manifest, parse_model(model))
    assert found.complaints == ()
    assert list(found.properties) == [*(each.point.name for each in properties_of(device)), MISSING]
    assert (found.key[1], manifest["spec"]["deviceModelRef"]["name"]) == ("part", "part")
    # What it asks for more is nowhere else, and beside what there is.
    places = [each.visitor for each in found.properties.values()]
    assert places.count(places[-1]) == 1
    if device.protocol in (Protocol.MODBUS, Protocol.MODBUS_RTU):
        ends = [Place.of(place).end for place in places[:-1]]
        assert Place.of(places[-1]).register in ends
