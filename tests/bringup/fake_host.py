"""A host without guests, for the walk that brings a lab up: what it is told, it remembers.

Its guests have power, memory and a disk; its fabric and devices have a state that can be saved.
Only one process is real, so that the lab counts as alive. Each thing that is asked of it is noted
in `done`, and raises instead if it is planted in `fails`.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_lab.addons import AddOn, AddOnContext, Cluster, Platform, Stage
from edge_lab.addons.workload import WorkloadClient
from edge_lab.artifacts import Artifact, Want
from edge_lab.bringup.plan import Plan
from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.kubectl import Kubectl
from edge_lab.cluster.objects import Manifest
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.core.process import end_processes, spawn
from edge_lab.devices import DeviceClient
from edge_lab.devices.control import DeviceSnapshot
from edge_lab.devices.truth import FILE as TRUTH
from edge_lab.fabric import FabricClient
from edge_lab.handle.lab import Lab
from edge_lab.handle.state import LabState
from edge_lab.images import ImageArchive
from edge_lab.machines import (
    Accelerator,
    BootRecord,
    ClockOffset,
    CommandResult,
    Fatal,
    PowerState,
    SavedMachine,
)
from edge_lab.provisioning.provision import GuestFile, PayloadFile, Provision
from edge_lab.stacks import Stack, StackContext, get_stack
from edge_lab.topology import Arch, Topology

STACK = "kubernetes+kubelet"


@dataclass
class Guest:
    """What outlives each handle of a machine."""

    power: PowerState = "off"
    memory: dict[str, str] = field(default_factory=dict)
    """Files in memory, by path; gone without power."""
    disk: dict[str, str] = field(default_factory=dict)
    boots: int = 0
    clock_behind: bool = False


@dataclass
class FakeHost:
    """See the module. `fails` is by what was asked, such as `boot edge-arm`."""

    fails: dict[str, BaseException] = field(default_factory=dict)
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


@dataclass
class FakeConsole:
    path: Path

    def mark(self) -> int:
        return 0

    def wait_for(self, pattern: str, deadline: Deadline, from_mark: int = 0) -> re.Match[str]:
        raise LabError("the console of a guest that is none stays empty")

    def check(
        self,
        from_mark: int = 0,
        kinds: frozenset[Fatal] = frozenset(Fatal),
        allowed_units: frozenset[str] = frozenset(),
    ) -> None:
        return


class FakeMachine:
    """The handle of a `Guest`."""

    def __init__(self, host: FakeHost, run: RunDir, name: str, arch: Arch) -> None:
        self.name = name
        self.arch = arch
        self.console = FakeConsole(run.consoles / f"{name}.log")
        self._host = host
        self._overlay = run.disks / f"{name}.qcow2"

    @property
    def guest(self) -> Guest:
        return self._host.guests[self.name]

    @property
    def state(self) -> PowerState:
        return self.guest.power

    @property
    def is_on(self) -> bool:
        return self.state in ("running", "paused")

    @property
    def record(self) -> BootRecord:
        return BootRecord()

    @property
    def reboots(self) -> int:
        return 0

    # -- power ---------------------------------------------------------------------------

    def boot(self, deadline: Deadline) -> None:
        self._host.do(f"boot {self.name}")
        self._overlay.write_text("an overlay")
        self.power_on()
        self.boot_with_retry(deadline)

    def boot_with_retry(self, deadline: Deadline, allowed_units: Collection[str] = ()) -> None:
        deadline.check(f"{self.name} is up")

    def power_on(self) -> None:
        if self.is_on:
            raise LabError(f"{self.name} is on already")
        self.guest.power = "running"
        self.guest.memory = {}
        self.guest.boots += 1

    def power_off(self) -> None:
        self._host.do(f"power off {self.name}")
        self.guest.power = "off"
        self.guest.memory = {}

    def reset(self) -> None:
        self._must_be_on()
        self.guest.memory = {}
        self.guest.boots += 1

    def begin_reboot(self, deadline: Deadline) -> None:
        self.reset()

    def reboot(self, deadline: Deadline) -> None:
        self.reset()

    def expect_boot(self, mark: int | None = None) -> None:
        return

    def suspend(self) -> None:
        self._host.do(f"suspend {self.name}")
        self._must_be_on()
        self.guest.power = "paused"

    def resume(self) -> None:
        self._host.do(f"resume {self.name}")
        self._must_be_on()
        self.guest.power = "running"

    def _must_be_on(self) -> None:
        if not self.is_on:
            raise LabError(f"{self.name} is switched off")

    # -- saved states --------------------------------------------------------------------

    def save(self, saved: SavedMachine, deadline: Deadline) -> None:
        self._host.do(f"save memory {self.name}")
        assert self.state == "paused", "a whole lab is saved at one point in time"
        saved.memory.write_text(json.dumps({"memory": self.guest.memory, "disk": self.guest.disk}))
        self.guest.power = "off"
        self.guest.memory = {}
        self._host.do(f"save disk {self.name}")
        saved.disk.write_text(json.dumps({"disk": self.guest.disk}))
        saved.seed.write_text(self.name)

    def restore(self, saved: SavedMachine) -> None:
        self._host.do(f"restore {self.name}")
        if saved.seed.read_text() != self.name:
            raise LabError(f"{saved.seed} is that of another machine")
        self.guest.disk = json.loads(saved.disk.read_text())["disk"]
        self._overlay.write_text("an overlay")
        self._load(saved.memory)

    def recover(self, saved: SavedMachine) -> None:
        self._host.do(f"recover {self.name}")
        if not self.is_on:
            self._load(saved.memory)

    def _load(self, memory: Path) -> None:
        if self.is_on:
            raise LabError(f"{self.name} is on already")
        content = json.loads(memory.read_text())
        if content["disk"] != self.guest.disk:
            raise LabError(f"{self.name}: memory and disk are of two times")
        self.guest.memory = content["memory"]
        self.guest.power = "paused"
        self.guest.clock_behind = True

    # -- inside --------------------------------------------------------------------------

    def clock_offset(self, deadline: Deadline) -> ClockOffset:
        return ClockOffset(-60.0 if self.guest.clock_behind else 0.0, 0.0)

    def set_clock(self, deadline: Deadline) -> float:
        self._host.do(f"set clock {self.name}")
        self.guest.clock_behind = False
        return 0.0

    def move_clock(self, seconds: float, deadline: Deadline) -> None:
        return

    def add_files(self, files: Collection[GuestFile]) -> None:
        if self.is_on:
            raise LabError(f"{self.name} is on already")

    def run(
        self, command: str, deadline: Deadline | None = None, check: bool = True
    ) -> CommandResult:
        if self.state != "running":
            raise LabError(f"{self.name} does not answer")
        return CommandResult(command, 0, "", "")

    def stream(self, command: str, deadline: Deadline) -> subprocess.Popen[bytes]:
        raise LabError("there is no guest to run anything in")

    def answers(self) -> bool:
        return self.state == "running"

    def read(self, path: str, deadline: Deadline | None = None) -> bytes:
        self.run(f"cat {path}", deadline)
        files = self.guest.memory if path.startswith("/run/") else self.guest.disk
        if path not in files:
            raise LabError(f"{self.name}: {path}: No such file or directory")
        return files[path].encode()

    def write(self, file: GuestFile, deadline: Deadline | None = None) -> None:
        self.run(f"cat > {file.path}", deadline)
        files = self.guest.memory if file.path.startswith("/run/") else self.guest.disk
        files[file.path] = file.content.decode()

    def journal(
        self, unit: str | None = None, *, lines: int = 200, deadline: Deadline | None = None
    ) -> str:
        return f"the journal of {self.name}"

    def wait_unit(self, unit: str, deadline: Deadline) -> None:
        return

    def testinfra(self) -> Any:
        raise LabError("there is no guest to look into")

    def set_carrier(self, mac: str, up: bool) -> None:
        return

    def set_disk_pace(self, disk: str, iops: int | None) -> None:
        return


@dataclass(frozen=True)
class FakeStack(Stack):
    """Ready when the machines that it needs run."""

    host: FakeHost

    def provision(self, ctx: StackContext) -> dict[str, Provision]:
        self.host.do("provision")
        return {node.name: Provision() for node in ctx.topology.nodes}

    def admin_kubeconfig(self, ctx: StackContext) -> str:
        return "kubeconfig"

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]:
        return ()

    def wait_control_plane(
        self,
        cluster: ClusterAccess,
        manifests: tuple[Manifest, ...],
        deadline: Deadline,
        *,
        units: tuple[str, ...] = (),
    ) -> dict[str, tuple[GuestFile, ...]]:
        self.host.do("wait control plane")
        self._wait(cluster, [cluster.topology.server.name], deadline)
        return {node.name: () for node in cluster.topology.edges}

    def wait_ready(
        self,
        cluster: ClusterAccess,
        deadline: Deadline,
        *,
        units: Mapping[str, tuple[str, ...]] | None = None,
        restored: bool = False,
    ) -> None:
        self.host.do("wait stack")
        self._wait(cluster, [node.name for node in cluster.topology.nodes], deadline)

    def _wait(self, cluster: ClusterAccess, nodes: Sequence[str], deadline: Deadline) -> None:
        deadline.wait_for(
            "all are ready",
            lambda: all(self.host.guests[node].power == "running" for node in nodes),
            every=0.005,
            watch=cluster.watch,
        )


def fake_addon(host: FakeHost, called: str) -> AddOn:
    """Has objects when nodes are Ready, and is waited for."""

    class FakeAddOn(AddOn):
        name = called

        def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
            if stage is Stage.NODES_READY:
                host.do(f"apply {called}")
            return ()

        def wait_ready(self, cluster: Cluster) -> None:
            host.do(f"wait {called}")

    return FakeAddOn()
