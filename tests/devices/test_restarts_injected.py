"""Fabric and devices of labs/rtos-device.yaml by bring-up, without machines: the faults that the
injector proves on both devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from edge_lab.addons.platform import get_platform
from edge_lab.bringup.processes import device_specs, start_devices, start_fabric
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.core.home import RunDir
from edge_lab.core.ports import choose_ports
from edge_lab.core.process import end_processes
from edge_lab.data import LABS
from edge_lab.devices import DeviceClient
from edge_lab.devices.faults import AnyFault, BrownOut, Busy, Hang, Reset, SlowClock, Split
from edge_lab.devices.protocols.rtos import FIRMWARE
from edge_lab.faults.families.device.injector import DeviceInjector
from edge_lab.faults.kinds import OnDevice
from edge_lab.faults.linkprober import LinkProber
from edge_lab.handle.state import Condition, LabState, Ports, WirePorts
from edge_lab.pki import Pki
from edge_lab.topology import load_topology
from tests.devices.plant_site import require_namespaces
from tests.devices.rtos_site import firmware

pytestmark = pytest.mark.slow(reason="fabric and devices as processes, one with an emulated board")

LIMIT = 60.0
"""s for a proof, on a busy machine."""


@dataclass(frozen=True)
class Stages:
    """What is up of the lab."""

    state: LabState
    devices: dict[str, DeviceClient]
    injector: DeviceInjector


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    require_namespaces()
    topology = load_topology(LABS / "rtos-device.yaml")
    elf = firmware()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        run = RunDir(topology.name)
        run.make()
        Pki.create(run.keys, get_platform(topology.stacks[0], topology).identities(topology))
        ports = choose_ports(2 * len(topology.links))
        wires = {
            link.name: WirePorts(fabric=fabric, endpoint=endpoint)
            for link, fabric, endpoint in zip(topology.links, ports[::2], ports[1::2], strict=True)
        }
        state = LabState(
            lab=topology.name,
            topology=topology,
            stack=topology.stacks[0],
            condition=Condition.UP,
            ports=Ports(api=1, ssh={}, wires=wires),
            accelerator={},
            image_digests={},
            payloads={},
            kubectl=elf,
            device_files={FIRMWARE: elf},
            versions={},
            checkpoint="key",
        )
        try:
            fabric = start_fabric(run, state, Deadline.after(LIMIT))
            start_devices(run, state, Deadline.after(LIMIT))
            devices = {spec.name: DeviceClient(spec.folder) for spec in device_specs(run, state)}
            # None of these faults is proved by a node.
            prober = LinkProber(topology, fabric, {}, lambda seconds: Deadline.after(LIMIT))
            yield Stages(state, devices, DeviceInjector(prober, devices))
        finally:
            end_processes(run.path, Deadline.after(LIMIT))


@pytest.mark.parametrize("device", ["boiler", "controller"])
@pytest.mark.parametrize(
    "does",
    [Reset(), BrownOut(off_ms=200), Hang(), SlowClock(rate=0.4), Busy(connections=2)],
    ids=lambda does: does.kind,
)
def test_a_fault_is_injected_with_its_proof_and_healed(
    stages: Stages, device: str, does: AnyFault
) -> None:
    fault = OnDevice(device=device, does=does)
    assert list(fault.objections(stages.state.topology)) == []
    before = stages.devices[device].status().boots
    effect = stages.injector.inject(fault)
    assert "affected" in effect
    assert "answered within" in stages.injector.heal(fault)
    status = stages.devices[device].status()
    assert status.reachable
    assert status.fault is None
    starts = does.kind in ("reset", "brown-out", "hang")
    assert (status.boots > before) == starts


def test_a_fault_that_firmware_does_not_have_is_refused(stages: Stages) -> None:
    fault = OnDevice(device="controller", does=Split())
    assert [each.field for each in fault.objections(stages.state.topology)] == ["does"]
    with pytest.raises(InputError, match="modbus-tcp-rtos"):
        stages.injector.inject(fault)
