"""A device that is firmware in a topology: its options, its component, who reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_lab.addons.platform import get_platform
from edge_lab.addons.workload.manifests import sampled_devices
from edge_lab.artifacts import CATALOG, Want, host_arch
from edge_lab.core.errors import LabError
from edge_lab.data import IMAGES, LABS
from edge_lab.devices.protocols import device_wants, protocol_of
from edge_lab.devices.protocols.rtos import FIRMWARE, TICK_MS, RtosOptions
from edge_lab.devices.restarts import WATCHDOG_SECONDS
from edge_lab.devices.spec import device_spec
from edge_lab.topology import Protocol, Topology, load_topology


@pytest.fixture
def topology() -> Topology:
    return load_topology(LABS / "rtos-device.yaml")


def test_its_firmware_is_wanted_where_a_topology_has_it(
    topology: Topology, default_topology: Topology
) -> None:
    want = Want(FIRMWARE, host_arch())
    assert want.component in CATALOG
    assert device_wants(topology) == (want,)
    assert want in get_platform(topology.stacks[0], topology).wants(topology)
    assert device_wants(default_topology) == ()
    wanted = get_platform(default_topology.stacks[0], default_topology).wants(default_topology)
    assert want not in wanted


def test_options_and_firmware_come_to_its_process(topology: Topology) -> None:
    device = topology.device("controller")
    spec = device_spec(
        topology,
        device,
        fabric_port=1,
        endpoint_port=2,
        folder=Path("/run/device"),
        files={FIRMWARE: Path("/cache/firmware")},
    )
    assert spec.files == {FIRMWARE: Path("/cache/firmware")}
    assert RtosOptions.model_validate(spec.options).connections == 8
    assert spec.model.name == "boiler"


def test_samplers_and_mappers_read_it_as_they_read_a_simulated_one(topology: Topology) -> None:
    (edge,) = topology.edges
    assert {each.name for each in sampled_devices(topology, edge)} == {"boiler", "controller"}
    simulated, firmware = (protocol_of(name) for name in (Protocol.MODBUS, Protocol.MODBUS_RTOS))
    boiler, controller = topology.devices
    ours = firmware.sampler_config(topology, controller)
    theirs = simulated.sampler_config(topology, boiler)
    assert ours["points"] == theirs["points"]
    assert ours["address"] != theirs["address"]
    assert firmware.sampler_name == simulated.sampler_name
    assert firmware.truth_is_raw


def test_the_watchdog_of_a_simulated_device_is_that_of_firmware() -> None:
    assert RtosOptions().watchdog_ms == WATCHDOG_SECONDS * 1000


def test_a_tick_is_that_of_the_firmware() -> None:
    header = (IMAGES / "firmware/rtos/include/FreeRTOSConfig.h").read_text(encoding="utf-8")
    assert f"#define configTICK_RATE_HZ {1000 // TICK_MS}\n" in header


def test_nothing_else_serves_it(topology: Topology) -> None:
    with pytest.raises(LabError, match="firmware"):
        protocol_of(Protocol.MODBUS_RTOS).make_server(None, None)  # type: ignore[arg-type]
