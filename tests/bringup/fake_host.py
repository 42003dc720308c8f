"""A host without guests, for the walk that brings a lab up: what it is told, it remembers.

Its guests have power, memory and a disk; its fabric and devices have a state that can be saved.
Only one process is real, so that the lab counts as alive. Each thing that is asked of it is noted
in `done`, and raises instead if it is planted in `fails`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_lab.addons import Platform
from edge_lab.addons.workload import WorkloadClient
from edge_lab.artifacts import Artifact, Want
from edge_lab.bringup.plan import Plan
from edge_lab.cluster.kubectl import Kubectl
from edge_lab.core.deadline import Deadline
from edge_lab.core.home import RunDir
from edge_lab.core.process import end_processes, spawn
from edge_lab.devices import DeviceClient
from edge_lab.devices.control import DeviceSnapshot
from edge_lab.devices.truth import FILE as TRUTH
from edge_lab.fabric import FabricClient
from edge_lab.handle.lab import Lab
from edge_lab.handle.state import LabState
from edge_lab.images import ImageArchive
from edge_lab.machines import Accelerator
from edge_lab.provisioning.provision import PayloadFile, Provision
from edge_lab.stacks import Stack, get_stack
from edge_lab.topology import Arch, Topology
from tests.bringup.fake_machine import FakeMachine, Guest
from tests.bringup.fake_stack import FakeStack, fake_addon

STACK = "kubernetes+kubelet"


@dataclass
class FakeHost:
    """See the module. `fails` is by what was asked, such as `boot edge-arm`."""

    fails: dict[str, BaseException] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    """Machines whose boot goes on until they are switched off."""
    done: list[str] = field(default_factory=list)
    guests: dict[str, Guest] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    """The fabric's state; saved and loaded whole."""
    values: dict[str, int] = field(default_factory=dict)
    """By device, its sequence number."""
    paused: set[str] = field(default_factory=set)
    """Devices whose plant stands still."""
    emulator: str = "1.0"
    recipe: str = "the recipe of today"
    """What guests are given."""
    paces: Sequence[int] = (1,)
    speed_factor: float = 1.0

    def do(self, what: str) -> None:
        self.done.append(what)
        if what in self.fails:
            raise self.fails.pop(what)

    # -- what lifecycle asks -------------------------------------------------------------

    def plan(self, topology: Topology, stack: str | None, deadline: Deadline) -> Plan:
        self.do("plan")
        chosen = get_stack(stack or STACK)
        kubectl = Artifact("kubectl", "v1", Arch.X86_64, Path("/nowhere"), "0" * 64, "fake")
        return Plan(
            given=topology,
            pace=self.paces[0],
            platform=self._platform(chosen),
            artifacts={Want("kubectl", Arch.X86_64): kubectl},
            images={},
            container_images=ImageArchive(Path("/nowhere")),
        )

    def accelerator(self, plan: Plan) -> Accelerator:
        return Accelerator("tcg", "it has no guests", None)

    def fingerprint(self) -> tuple[str, ...]:
        return (self.emulator, "0")

    def given(self, plan: Plan, state: LabState, keys: Path, accelerator: Accelerator) -> str:
        self.do("given")
        return self.recipe

    def payload_disk(self, files: Sequence[PayloadFile], deadline: Deadline) -> Path:
        self.do("payload disk")
        return Path("/nowhere")

    def start_fabric(self, run: RunDir, state: LabState, deadline: Deadline) -> FabricClient:
        self.do("start fabric")
        spawn(["sleep", "600"], run=run.path, log=run.logs / "fabric.log")
        self.links = {link.name: "up" for link in state.topology.links}
        return FakeFabric(self, run)

    def start_devices(self, run: RunDir, state: LabState, deadline: Deadline) -> None:
        self.do("start devices")
        for device in state.topology.devices:
            folder = run.devices / device.name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / TRUTH).touch()
            saved = (folder / TRUTH).read_text().splitlines()
            self.values[device.name] = len(saved)
        self.paused = set()

    def end_devices(self, run: RunDir, deadline: Deadline) -> None:
        self.do("end devices")
        self.values = {}

    def open(
        self,
        run: RunDir,
        state: LabState,
        accelerator: Accelerator,
        deadline: Deadline,
        provisions: Mapping[str, Provision] | None = None,
    ) -> Lab:
        self.do("open")
        self.guests = {node.name: Guest() for node in state.topology.nodes}
        return self.attach(run, state)

    def attach(self, run: RunDir, state: LabState) -> Lab:
        chosen = get_stack(state.stack)
        kubectl = Kubectl(state.kubectl, run.kubeconfig)
        return Lab(
            host=self,
            run=run,
            state=state,
            machines={
                node.name: FakeMachine(self, run, node.name, node.arch)
                for node in state.topology.nodes
            },
            fabric=FakeFabric(self, run),
            kubectl=kubectl,
            devices={
                device.name: FakeDevice(self, run.devices / device.name)
                for device in state.topology.devices
            },
            platform=self._platform(chosen),
            workload=WorkloadClient(kubectl, state.topology),
        )

    def _platform(self, chosen: Stack) -> Platform:
        stack = FakeStack(chosen.control, chosen.runtime, self)
        return Platform(stack, (fake_addon(self, "twins"), fake_addon(self, "workload")))

    def stop(self, run: RunDir) -> None:
        """As a restart of the host does."""
        end_processes(run.path, Deadline.after(10))
        self.guests = {}


class FakeFabric(FabricClient):
    def __init__(self, host: FakeHost, run: RunDir) -> None:
        super().__init__(run.fabric_socket)
        self._host = host

    def snapshot(self) -> dict[str, Any]:
        self._host.do("snapshot fabric")
        return dict(self._host.links)

    def load(self, snapshot: Mapping[str, Any]) -> None:
        self._host.do("load fabric")
        self._host.links = dict(snapshot)


class FakeDevice(DeviceClient):
    def __init__(self, host: FakeHost, folder: Path) -> None:
        super().__init__(folder)
        self._host = host

    def snapshot(self, deadline: Deadline | None = None) -> DeviceSnapshot:
        return DeviceSnapshot(
            name=self.folder.name,
            plant="boiler",
            seq=self._host.values[self.folder.name],
            time=0,
            state={},
            requested=0,
            truth_size=(self.folder / TRUTH).stat().st_size,
        )

    def pause(self, deadline: Deadline | None = None) -> DeviceSnapshot:
        self._host.do(f"pause {self.folder.name}")
        self._host.paused.add(self.folder.name)
        return self.snapshot()

    def resume(self, deadline: Deadline | None = None) -> None:
        self._host.do(f"resume {self.folder.name}")
        self._host.paused.discard(self.folder.name)

    def save(self, into: Path, deadline: Deadline | None = None) -> DeviceSnapshot:
        self._host.do(f"save {self.folder.name}")
        assert self.folder.name in self._host.paused, "a plant that moves is saved torn"
        return super().save(into, deadline)
