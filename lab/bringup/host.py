"""The host as an interface: everything that starting a lab needs from it.

`lifecycle` and `saving` run the stages; a `Host` builds, starts processes and uses libvirt. Tests
run the same stages on a host without guests.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from edge_lab.addons import get_platform
from edge_lab.addons.workload import WorkloadClient
from edge_lab.bringup.given import given_digest
from edge_lab.bringup.plan import Plan, make_plan
from edge_lab.bringup.processes import external_machines, guest_specs, start_devices, start_fabric
from edge_lab.cluster.kubectl import Kubectl
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.core.process import end_processes
from edge_lab.core.speed import fitting_paces, host_pace, speed_factor
from edge_lab.core.step import step
from edge_lab.devices import DeviceClient
from edge_lab.fabric import FabricClient
from edge_lab.handle.lab import Lab
from edge_lab.handle.state import LabState
from edge_lab.images import build_payload_disk
from edge_lab.machines import (
    Accelerator,
    LibvirtDaemon,
    LibvirtMachine,
    Machine,
    host_arch,
    host_tsc_khz,
    probe_accelerator,
    write_ssh_config,
)
from edge_lab.machines.external import ssh_host
from edge_lab.provisioning.provision import PayloadFile, Provision
from edge_lab.topology import Topology, external_nodes


class Host(Protocol):
    """The machine that runs labs."""

    @property
    def speed_factor(self) -> float:
        """The factor by which time limits are multiplied on this host."""
        ...

    @property
    def paces(self) -> Sequence[int]:
        """The possible factors for a cluster's timing on this host, the best first."""
        ...

    def plan(self, topology: Topology, stack: str | None, deadline: Deadline) -> Plan:
        """Selects the stack, obtains its components and builds its images.

        Raises:
            InputError: the stack is unknown, or cannot run the topology.
            LabError: a component cannot be obtained.
        """
        ...

    def accelerator(self, plan: Plan) -> Accelerator:
        """The accelerator of guests on this host."""
        ...

    def fingerprint(self) -> tuple[str, ...]:
        """What a saved guest depends on: emulator version and clock source."""
        ...

    def given(self, plan: Plan, state: LabState, keys: Path, accelerator: Accelerator) -> str:
        """Digest of all that the guests of a lab get, with the keys in `keys`."""
        ...

    def payload_disk(self, files: Sequence[PayloadFile], deadline: Deadline) -> Path:
        """The read-only disk with `files`."""
        ...

    def start_fabric(self, run: RunDir, state: LabState, deadline: Deadline) -> FabricClient:
        """Starts the process that carries the frames, and waits until it answers."""
        ...

    def start_devices(self, run: RunDir, state: LabState, deadline: Deadline) -> None:
        """Starts the devices and waits until each answers."""
        ...

    def end_devices(self, run: RunDir, deadline: Deadline) -> None:
        """Ends the devices of the lab."""
        ...

    def open(
        self,
        run: RunDir,
        state: LabState,
        accelerator: Accelerator,
        deadline: Deadline,
        provisions: Mapping[str, Provision] | None = None,
    ) -> Lab:
        """The handle of a lab whose machines are off; with `provisions` they can be booted."""
        ...

    def attach(self, run: RunDir, state: LabState) -> Lab:
        """The handle of a running lab."""
        ...


class LocalHost:
    """This machine: private libvirt, QEMU, processes of the lab."""

    @property
    def speed_factor(self) -> float:
        return speed_factor()

    @property
    def paces(self) -> Sequence[int]:
        return fitting_paces()

    def plan(self, topology: Topology, stack: str | None, deadline: Deadline) -> Plan:
        return make_plan(topology, stack, deadline, host_pace())

    def accelerator(self, plan: Plan) -> Accelerator:
        arch = host_arch()
        return probe_accelerator(plan.images.get(arch) if arch else None)

    def fingerprint(self) -> tuple[str, ...]:
        # A restored guest uses the counter with which it was booted.
        return (emulator_version(), str(host_tsc_khz()))

    def given(self, plan: Plan, state: LabState, keys: Path, accelerator: Accelerator) -> str:
        return given_digest(plan, state, keys, accelerator)

    def payload_disk(self, files: Sequence[PayloadFile], deadline: Deadline) -> Path:
        return build_payload_disk(tuple(files), deadline)

    def start_fabric(self, run: RunDir, state: LabState, deadline: Deadline) -> FabricClient:
        return start_fabric(run, state, deadline)

    def start_devices(self, run: RunDir, state: LabState, deadline: Deadline) -> None:
        start_devices(run, state, deadline)

    def end_devices(self, run: RunDir, deadline: Deadline) -> None:
        end_processes(run.path, deadline, argument=str(run.devices))

    def open(
        self,
        run: RunDir,
        state: LabState,
        accelerator: Accelerator,
        deadline: Deadline,
        provisions: Mapping[str, Provision] | None = None,
    ) -> Lab:
        with step("libvirt"):
            daemon = LibvirtDaemon.start(run, deadline, kvm=accelerator.kvm)
        others = [ssh_host(node, run.keys) for node in external_nodes(state.topology)]
        write_ssh_config(run, guest_specs(state, provisions), others)
        return make_lab(self, run, state, daemon, provisions)

    def attach(self, run: RunDir, state: LabState) -> Lab:
        return make_lab(self, run, state, LibvirtDaemon.attach(run))


def emulator_version() -> str:
    """QEMU's version, from its image tool."""
    try:
        said = subprocess.run(
            ["qemu-img", "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=Deadline.scaled(30).remaining,
        ).stdout
    except (OSError, subprocess.SubprocessError) as trouble:
        raise LabError(
            "qemu-img is not installed", remedy="Run `lab doctor` to see what is missing."
        ) from trouble
    return said.partition("\n")[0].removeprefix("qemu-img version ")


def make_lab(
    host: Host,
    run: RunDir,
    state: LabState,
    daemon: LibvirtDaemon,
    provisions: Mapping[str, Provision] | None = None,
) -> Lab:
    """The handle of a lab; with `provisions`, its machines can be booted for the first time."""
    found: dict[str, Machine] = {
        spec.name: LibvirtMachine(
            spec, run, daemon, "kvm" if state.accelerator[spec.name] == "kvm" else "tcg"
        )
        for spec in guest_specs(state, provisions)
    }
    found |= {machine.name: machine for machine in external_machines(run, state, provisions)}
    machines = {node.name: found[node.name] for node in state.topology.nodes}
    kubectl = Kubectl(state.kubectl, run.kubeconfig)
    return Lab(
        host=host,
        run=run,
        state=state,
        machines=machines,
        fabric=FabricClient(run.fabric_socket),
        kubectl=kubectl,
        platform=get_platform(state.stack, state.topology),
        workload=WorkloadClient(kubectl, state.topology, machines),
        devices={
            device.name: DeviceClient(run.devices / device.name)
            for device in state.topology.devices
        },
    )
