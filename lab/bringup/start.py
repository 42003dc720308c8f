"""Starts a lab from a plan: from a checkpoint if one fits, otherwise cold.

Cold: keys and payload disks, fabric, devices, the server machine, the control plane on it, the
edge machines with the stack, add-ons. From a checkpoint: fabric, devices, all machines.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Self

from filelock import FileLock

from edge_lab.bringup.checkpoint import Checkpoint, CheckpointStore
from edge_lab.bringup.host import Host
from edge_lab.bringup.plan import Plan
from edge_lab.bringup.readiness import cluster_access
from edge_lab.bringup.saving import (
    SaveFailed,
    restore_devices,
    restore_machines,
    resume_machines,
    save_checkpoint,
    unsaved,
)
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError, LabError
from edge_lab.core.home import RunDir, cache_home
from edge_lab.core.ports import choose_ports
from edge_lab.core.step import Step, step, warn
from edge_lab.handle.lab import Lab
from edge_lab.handle.state import (
    Condition,
    LabState,
    Ports,
    WirePorts,
    known_labs,
    load_state,
    read_state,
)
from edge_lab.machines import Accelerator, Machine
from edge_lab.pki import Pki
from edge_lab.stacks import StackContext
from edge_lab.topology import Node, Role, booted_nodes, external_nodes

START_SECONDS = 900.0
"""Time limit from switching on to ready, on the reference machine; usually two to five minutes."""

EXTERNAL = "external"
"""The accelerator of nodes that the lab does not boot."""

JOURNAL_SECONDS, JOURNAL_LINES = 40.0, 5_000
"""Seconds for the journal of a machine after a failed start, and its maximum number of lines."""


@dataclass(frozen=True)
class UpOptions:
    """Options of a start."""

    stack: str | None = None
    """Pins the stack; the default is the first available one of the topology."""
    cold: bool = False
    """Boot even if a checkpoint fits."""
    save: bool = True
    """Save a checkpoint after a cold start."""
    api_port: int | None = None
    """Loopback port of the API server; the default is a free one."""


@dataclass(frozen=True)
class Start:
    """A start of a lab in the empty run directory `run`."""

    host: Host
    run: RunDir
    plan: Plan
    accelerator: Accelerator
    options: UpOptions

    def walk(self, clear: Callable[[], object]) -> Lab:
        """Runs until the lab is ready; `clear` removes what a failed restore has left."""
        names = unsaved(self.plan.topology)
        for pace in () if self.options.cold or names else self.host.paces:
            if lab := self._at_pace(pace)._restored(clear):
                return lab
        with _announced_pace(self.plan.pace):
            lab = self._cold()
        if self.options.save and names:
            with step(f"no checkpoint: {names} cannot be saved"):
                pass
        elif self.options.save:
            self._save(lab)
        return _finished(lab, restored=False)

    def _at_pace(self, pace: int) -> Start:
        return replace(self, plan=replace(self.plan, pace=pace))

    @property
    def _key(self) -> str:
        """Key of the checkpoint that fits."""
        return self.plan.digest(*self.host.fingerprint(), self.accelerator.name)

    def _deadline(self) -> Deadline:
        return Deadline.after(START_SECONDS * self.host.speed_factor)

    # -- Cold start ----------------------------------------------------------------------

    def _cold(self) -> Lab:
        deadline, platform = self._deadline(), self.plan.platform
        self.run.make()
        ports = self._choose_ports()
        with step("keys and disks"):
            pki = Pki.create(self.run.keys, platform.identities(self.plan.topology))
            context = self.plan.context(pki, ports.api)
            provisions = platform.provision(context)
            payloads = {
                name: self.host.payload_disk(provision.payload, deadline)
                for name, provision in provisions.items()
                if self.plan.topology.node(name).external is None
            }
        state = self._write_state(ports, payloads, context)
        self.host.start_fabric(self.run, state, deadline)
        self.host.start_devices(self.run, state, deadline)
        lab = self.host.open(self.run, state, self.accelerator, deadline, provisions)
        with (
            step("machines and stack") as starting,
            Boots(lab, starting, deadline) as boots,
        ):
            # Edge nodes start later: before there is an API server, they would only retry, and use
            # CPU time that it needs to start.
            boots.begin(Role.SERVER)
            cluster = cluster_access(lab, boots.check)
            with step("control plane"):
                late = platform.wait_control_plane(cluster, context, deadline)
            for name, files in late.items():
                lab.machine(name).add_files(files)
            boots.begin(Role.EDGE)
            # External nodes answer all the time, and have no units before they are provisioned.
            boots.wait(external_nodes(self.plan.topology))
            platform.deploy(cluster, context, deadline)
            boots.wait()
        return lab

    def _save(self, lab: Lab) -> None:
        try:
            save_checkpoint(lab, self._deadline())
        except SaveFailed as trouble:
            warn(f"no checkpoint, so the next start will be cold as well: {trouble.message}")

    # -- From a checkpoint ---------------------------------------------------------------

    def _restored(self, clear: Callable[[], object]) -> Lab | None:
        """The lab from the checkpoint that fits; None if there is none, or it cannot be restored.

        In that case the checkpoint is removed, and a cold start follows.
        """
        checkpoint = CheckpointStore().find(self._key)
        if checkpoint is None:
            CheckpointStore().remove(self._key)  # the rest of a damaged one
            return None
        try:
            self._check_given(checkpoint)
            with _announced_pace(self.plan.pace):
                return self._from_checkpoint(checkpoint)
        except Exception as trouble:  # noqa: BLE001 - damage shows in any way
            reason = str(trouble).partition("\n")[0] or type(trouble).__name__
            with step(f"checkpoint {checkpoint.key[:12]} cannot be restored ({reason})"):
                clear()
                CheckpointStore().remove(checkpoint.key)
            return None

    def _check_given(self, checkpoint: Checkpoint) -> None:
        """Raises LabError if its guests would now get something else."""
        checkpoint.check(self.plan.topology)
        saved = load_state(checkpoint.state)
        if self.host.given(self.plan, saved, checkpoint.keys, self.accelerator) != saved.given:
            raise LabError("its guests were created by another version of edge-lab")

    def _from_checkpoint(self, checkpoint: Checkpoint) -> Lab:
        deadline = self._deadline()
        self.run.make()
        shutil.copytree(checkpoint.keys, self.run.keys, dirs_exist_ok=True)
        ports = self._choose_ports()
        payloads = load_state(checkpoint.state).payloads
        context = self.plan.context(Pki.load(self.run.keys), ports.api)
        state = self._write_state(ports, payloads, context)
        fabric = self.host.start_fabric(self.run, state, deadline)
        fabric.load(json.loads(checkpoint.fabric.read_text()))
        lab = self.host.open(self.run, state, self.accelerator, deadline)
        restore_devices(lab, checkpoint)
        self.host.start_devices(self.run, state, deadline)
        restore_machines(lab, checkpoint)
        resume_machines(lab, deadline)
        return _finished(lab, restored=True)

    # -- Common parts --------------------------------------------------------------------

    def _write_state(
        self, ports: Ports, payloads: dict[str, Path], context: StackContext
    ) -> LabState:
        """Writes state file and kubeconfig."""
        plan = self.plan
        state = LabState(
            lab=plan.topology.name,
            topology=plan.topology,
            pace=plan.pace,
            stack=plan.platform.name,
            condition=Condition.COMING_UP,
            ports=ports,
            accelerator={
                node.name: EXTERNAL if node.external else self.accelerator.of(node.arch)
                for node in plan.topology.nodes
            },
            image_digests={arch.value: image.digest for arch, image in plan.images.items()},
            payloads=payloads,
            kubectl=plan.kubectl,
            device_files=plan.device_files,
            versions=self._versions(),
            checkpoint=self._key,
        )
        given = self.host.given(plan, state, self.run.keys, self.accelerator)
        state = state.model_copy(update={"given": given})
        state.write(self.run)
        self.run.kubeconfig.touch(mode=0o600)
        self.run.kubeconfig.write_text(
            plan.platform.stack.admin_kubeconfig(context), encoding="utf-8"
        )
        return state

    def _choose_ports(self) -> Ports:
        topology, wanted = self.plan.topology, self.options.api_port
        with FileLock(cache_home() / "ports.lock"):
            taken = [wanted] if wanted else []
            for name in known_labs():
                with contextlib.suppress(LabError):
                    state = read_state(RunDir(name))
                    taken += state.ports.all() if state else ()
            booted = booted_nodes(topology)
            count = 1 + len(booted) + 2 * len(topology.links)
            free = iter(choose_ports(count, taken))
            return Ports(
                api=wanted or next(free),
                ssh={node.name: next(free) for node in booted},
                wires={
                    link.name: WirePorts(fabric=next(free), endpoint=next(free))
                    for link in topology.links
                },
            )

    def _versions(self) -> dict[str, str]:
        """Versions of everything involved, for the report."""
        found = {"edge-lab": version("edge-lab"), "qemu": self.host.fingerprint()[0]}
        found |= {name: version(name) for name in ("libvirt-python", "pymodbus", "asyncua")}
        found |= self.plan.platform.versions(self.plan.artifacts, self.plan.topology)
        for arch, image in self.plan.images.items():
            found |= {f"{name} ({arch.value})": text for name, text in image.versions.items()}
        return found


DISCARD_EVERY = 1.0
"""Seconds between checks whether aborted boots have ended."""


class Boots:
    """The boots of a lab's machines, each in a separate thread; the block waits for all.

    If the block fails, the machines are discarded: switched off, if they are the lab's own.
    """

    def __init__(self, lab: Lab, parent: Step, deadline: Deadline) -> None:
        self._lab = lab
        self._parent = parent
        self._deadline = deadline
        self._pool = ThreadPoolExecutor(len(lab.machines))
        self._boots: dict[str, Future[None]] = {}
        """By node."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Aborts all boots after a failure: cuts the power of the machines, also of those that were
        just switched on or reset. After an error, saves their journals first."""
        if kind is None:
            self._pool.shutdown()
            return
        try:
            if issubclass(kind, EdgeLabError):
                _keep_journals(self._lab)
        finally:
            self._end()

    def _end(self) -> None:
        while wait(self._boots.values(), timeout=0).not_done:
            self._discard()
            wait(self._boots.values(), timeout=DISCARD_EVERY)
        self._pool.shutdown()
        self._discard()

    def _discard(self) -> None:
        for machine in self._lab.machines.values():
            machine.discard()

    def begin(self, role: Role) -> None:
        """Switches on the machines of all nodes with that role."""
        for node in self._lab.topology.nodes:
            if node.role is role:
                self._boots[node.name] = self._pool.submit(self._boot, self._lab.machine(node.name))

    def _boot(self, machine: Machine) -> None:
        with step(f"boot {machine.name}", parent=self._parent):
            machine.boot(self._deadline)

    def check(self) -> None:
        """Raises the error of a boot that has ended with one."""
        for boot in self._boots.values():
            if boot.done():
                boot.result()

    def wait(self, nodes: Iterable[Node] | None = None) -> None:
        """Waits until all have ended, or those of `nodes`; raises the first error."""
        for name in list(self._boots) if nodes is None else [node.name for node in nodes]:
            self._boots[name].result()


@contextlib.contextmanager
def _announced_pace(pace: int) -> Iterator[None]:
    if pace == 1:
        yield
        return
    with step(f"slow host: the cluster's timeouts are multiplied by {pace}"):
        yield


def _keep_journals(lab: Lab) -> None:
    """Writes the journals to the lab's logs, except for machines that do not answer."""

    def keep(machine: Machine) -> None:
        with contextlib.suppress(EdgeLabError, OSError):
            journal = machine.journal(
                lines=JOURNAL_LINES, deadline=Deadline.scaled(JOURNAL_SECONDS)
            )
            file = lab.run.logs / f"journal-{machine.name}.log"
            file.write_text(journal, encoding="utf-8")

    with step("save the journals of the machines"), ThreadPoolExecutor(len(lab.machines)) as pool:
        for machine in lab.machines.values():
            pool.submit(keep, machine)


def _finished(lab: Lab, *, restored: bool) -> Lab:
    """Records that the lab is up: from now on other processes may attach to it."""
    lab.state = lab.state.model_copy(update={"condition": Condition.UP, "restored": restored})
    lab.state.write(lab.run)
    return lab
