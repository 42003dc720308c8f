"""Up and down: the way from a topology to a lab that is ready, and back to nothing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from edge_lab.checkpoint import Checkpoint, CheckpointStore, guest_code_digest
from edge_lab.deadline import Deadline
from edge_lab.errors import EdgeLabError, InputError, LabError
from edge_lab.home import RunDir, cache_home
from edge_lab.images import build_payload_disk
from edge_lab.machines import (
    LibvirtDaemon,
    Machine,
    host_arch,
    host_tsc_khz,
    probe_accelerator,
    write_ssh_config,
)
from edge_lab.machines.accelerator import Accelerator
from edge_lab.pki import Pki
from edge_lab.plan import Plan, make_plan
from edge_lab.ports import choose_ports, require_free
from edge_lab.process import end_processes, lock_holder
from edge_lab.provision import Provision
from edge_lab.readiness import cluster_access
from edge_lab.retention import keep_evidence
from edge_lab.running import Lab, attach, make_lab
from edge_lab.saving import go_on, restore_devices, restore_machines, save_checkpoint
from edge_lab.sites import start_devices, start_fabric
from edge_lab.speed import fitting_paces, host_pace, speed_factor
from edge_lab.stacks import StackContext
from edge_lab.state import (
    Condition,
    LabState,
    Ports,
    WirePorts,
    known_labs,
    load_state,
    read_state,
    state_if_up,
)
from edge_lab.step import step
from edge_lab.topology import Role, Topology

__all__ = ["Lab", "UpOptions", "attach", "bring_up", "restore_lab", "save_lab", "take_down"]

BUILD_SECONDS = 5400.0
"""Limit for artifacts and images on an idle reference machine with an empty cache."""

START_SECONDS = 900.0
"""Limit from switching on to ready, on the reference machine; two to five minutes are usual."""

JOURNAL_SECONDS, JOURNAL_LINES = 40.0, 5_000
"""For the journal of one machine of a start that failed, and the most of it."""

DOWN_SECONDS = 30.0
LOCK_SECONDS = 3.0


@dataclass(frozen=True)
class UpOptions:
    """How a lab shall come up."""

    stack: str | None = None
    """Pins the stack; without it, the topology's first that can be had."""
    cold: bool = False
    """Boot even if a checkpoint fits."""
    save: bool = True
    """Save a checkpoint after a cold start."""
    api_port: int | None = None
    """Loopback port of the API server; without it, a free one."""


@dataclass(frozen=True)
class TakenDown:
    """What `take_down` has found."""

    processes: int
    evidence: Path | None
    """Where logs and consoles were moved to, if there were any."""


# -- up --------------------------------------------------------------------------------------


def bring_up(topology: Topology, options: UpOptions | None = None) -> Lab:
    """Brings `topology` up, or takes hold of it if it is up already.

    Raises:
        InputError: the stack is not known, or a port that was asked for is busy.
        LabError: an artifact cannot be had, a machine died, something was not ready in time.
            Nothing of the lab is left then, but its logs and consoles are kept.
    """
    options = options or UpOptions()
    run = RunDir(topology.name)
    run.require_ours()
    with _alone(run):
        found = state_if_up(run)
        if found is not None:
            _must_be_the_same(found, topology, options)
            return attach(topology.name)
        if run.path.exists():
            with step(f"clear what is left of the last lab {topology.name}"):
                _clear(run)
        if options.api_port is not None:
            require_free(options.api_port, "the API server")
        with step(f"lab {topology.name}"):
            factor = speed_factor()
            built = Deadline.after(BUILD_SECONDS * factor)
            plan = make_plan(topology, options.stack, built, host_pace())
            host = host_arch()
            accelerator = probe_accelerator(plan.images.get(host) if host else None)
            try:
                return _start(run, plan, accelerator, options, factor)
            except BaseException as trouble:
                evidence = _clear(run).evidence
                if isinstance(trouble, LabError) and evidence and not trouble.remedy:
                    trouble.remedy = f"Logs and consoles are kept in {evidence}."
                raise


def _must_be_the_same(found: LabState, topology: Topology, options: UpOptions) -> None:
    if found.topology != topology.at_pace(found.pace):
        raise InputError(
            f"a lab {topology.name!r} of another topology is up",
            remedy=f"Take it down first: lab down --lab {topology.name}",
        )
    if options.stack not in (None, found.stack):
        raise InputError(
            f"lab {topology.name!r} is up with the stack {found.stack}",
            remedy=f"Take it down first: lab down --lab {topology.name}",
        )


def _start(
    run: RunDir, plan: Plan, accelerator: Accelerator, options: UpOptions, factor: float
) -> Lab:
    """From a plan to a lab that is ready: from a checkpoint if one fits, else cold."""
    # A guest that is restored goes by the counter that it was booted with.
    counter = str(host_tsc_khz())

    def key_of(plan: Plan) -> str:
        return plan.digest(_emulator_version(), accelerator.name, counter, guest_code_digest())

    for saved in () if options.cold else [replace(plan, pace=pace) for pace in fitting_paces()]:
        checkpoint = CheckpointStore().find(key_of(saved))
        if checkpoint is None:
            continue
        try:
            with _told_pace(saved.pace):
                return _from_checkpoint(run, saved, accelerator, options, checkpoint, factor)
        except LabError as trouble:
            name = checkpoint.key[:12]
            with step(f"checkpoint {name} does not come back ({trouble.message})"):
                _clear(run)
                CheckpointStore().remove(checkpoint.key)
    with _told_pace(plan.pace):
        lab = _cold(run, plan, accelerator, options, key_of(plan), factor)
    if options.save:
        save_checkpoint(lab, Deadline.after(START_SECONDS * factor))
    return _finished(lab, restored=False)


@contextlib.contextmanager
def _told_pace(pace: int) -> Iterator[None]:
    if pace == 1:
        yield
        return
    with step(f"a slow host: the cluster's periods are {pace} times as long"):
        yield


def _cold(
    run: RunDir, plan: Plan, accelerator: Accelerator, options: UpOptions, key: str, factor: float
) -> Lab:
    deadline = Deadline.after(START_SECONDS * factor)
    run.make()
    ports = _choose_ports(plan.topology, options)
    with step("keys and disks"):
        pki = Pki.create(run.keys, plan.topology)
        context = _context(plan, pki, ports)
        provisions = plan.stack.provision(context)
        payloads = {
            name: build_payload_disk(provision.payload, deadline)
            for name, provision in provisions.items()
        }
    state = _state(plan, accelerator, ports, payloads, key)
    state.write(run)
    _write_kubeconfig(run, plan, context)
    start_fabric(run, state, deadline)
    start_devices(run, state, deadline)
    lab = _open(run, state, accelerator, deadline, provisions)
    machines = lab.machines.values()
    with (
        step("machines and stack") as starting,
        ThreadPoolExecutor(len(machines)) as pool,
        _given_up_at_once(lab),
    ):

        def boot(machine: Machine) -> None:
            with step(f"boot {machine.name}", parent=starting):
                machine.boot(deadline)

        boots: list[Future[None]] = []

        def switch_on(role: Role) -> None:
            boots.extend(
                pool.submit(boot, each) for each in machines if each.spec.node.role is role
            )

        def watch() -> None:
            for ended in [each for each in boots if each.done()]:
                ended.result()

        # Edge nodes come later: until there is an API server they would only ask for it in
        # vain, and take the processor that it needs to come up.
        switch_on(Role.SERVER)
        cluster = cluster_access(lab, watch)
        with step("control plane"):
            late = plan.stack.wait_control_plane(cluster, plan.stack.manifests(context), deadline)
        for name, files in late.items():
            lab.machine(name).add_files(files)
        switch_on(Role.EDGE)
        with step(f"stack {lab.stack_name}"):
            plan.stack.wait_ready(cluster, deadline)
        plan.stack.give_devices(cluster, deadline)
        # Not sooner: pods that are bound to a node which does not exist are collected as garbage.
        with step("workload"):
            lab.workload.deploy(pki, deadline)
            lab.workload.wait_ready(deadline)
        for each in boots:
            each.result()
    return lab


@contextlib.contextmanager
def _given_up_at_once(lab: Lab) -> Iterator[None]:
    """If the block fails, keeps the machines' journals and switches them off.

    Without power nobody goes on waiting for a boot that no longer matters.
    """
    try:
        yield
    except BaseException as trouble:
        if isinstance(trouble, EdgeLabError):
            _keep_journals(lab)
        for machine in lab.machines.values():
            machine.power_off()
        raise


def _keep_journals(lab: Lab) -> None:
    """Writes them to the lab's logs; a machine that does not answer has none."""

    def keep(machine: Machine) -> None:
        with contextlib.suppress(EdgeLabError, OSError):
            journal = machine.journal(lines=JOURNAL_LINES, deadline=Deadline.after(JOURNAL_SECONDS))
            file = lab.run.logs / f"journal-{machine.name}.log"
            file.write_text(journal, encoding="utf-8")

    with step("journals of the machines"), ThreadPoolExecutor(len(lab.machines)) as pool:
        for each in lab.machines.values():
            pool.submit(keep, each)


def _from_checkpoint(
    run: RunDir,
    plan: Plan,
    accelerator: Accelerator,
    options: UpOptions,
    checkpoint: Checkpoint,
    factor: float,
) -> Lab:
    deadline = Deadline.after(START_SECONDS * factor)
    run.make()
    shutil.copytree(checkpoint.keys, run.keys, dirs_exist_ok=True)
    ports = _choose_ports(plan.topology, options)
    payloads = load_state(checkpoint.state).payloads
    state = _state(plan, accelerator, ports, payloads, checkpoint.key)
    state.write(run)
    _write_kubeconfig(run, plan, _context(plan, Pki.load(run.keys), ports))
    fabric = start_fabric(run, state, deadline)
    fabric.load(json.loads(checkpoint.fabric.read_text()))
    lab = _open(run, state, accelerator, deadline)
    restore_devices(lab, checkpoint)
    start_devices(run, state, deadline)
    restore_machines(lab, checkpoint, deadline)
    go_on(lab, deadline)
    return _finished(lab, restored=True)


def _open(
    run: RunDir,
    state: LabState,
    accelerator: Accelerator,
    deadline: Deadline,
    provisions: Mapping[str, Provision] | None = None,
) -> Lab:
    """Starts the libvirt daemon of a lab; its machines are still off."""
    with step("libvirt"):
        daemon = LibvirtDaemon.start(run, deadline, kvm=accelerator.kvm)
    lab = make_lab(run, state, daemon, provisions)
    write_ssh_config(run, [machine.spec for machine in lab.machines.values()])
    return lab


def _finished(lab: Lab, *, restored: bool) -> Lab:
    """Writes down that the lab is up: from here on, others may attach to it."""
    lab.state = lab.state.model_copy(update={"condition": Condition.UP, "restored": restored})
    lab.state.write(lab.run)
    return lab


def _context(plan: Plan, pki: Pki, ports: Ports) -> StackContext:
    return StackContext(
        topology=plan.topology,
        artifacts=plan.artifacts,
        workload=plan.workload,
        pki=pki,
        api_host_port=ports.api,
    )


def _write_kubeconfig(run: RunDir, plan: Plan, context: StackContext) -> None:
    run.kubeconfig.touch(mode=0o600)
    run.kubeconfig.write_text(plan.stack.admin_kubeconfig(context), encoding="utf-8")


def _choose_ports(topology: Topology, options: UpOptions) -> Ports:
    with FileLock(cache_home() / "ports.lock"):
        taken = [options.api_port] if options.api_port else []
        for name in known_labs():
            with contextlib.suppress(LabError):
                state = read_state(RunDir(name))
                taken += state.ports.all() if state else ()
        count = 1 + len(topology.nodes) + 2 * len(topology.links)
        free = iter(choose_ports(count, taken))
        return Ports(
            api=options.api_port or next(free),
            ssh={node.name: next(free) for node in topology.nodes},
            wires={
                link.name: WirePorts(fabric=next(free), endpoint=next(free))
                for link in topology.links
            },
        )


def _state(
    plan: Plan, accelerator: Accelerator, ports: Ports, payloads: dict[str, Path], key: str
) -> LabState:
    return LabState(
        lab=plan.topology.name,
        topology=plan.topology,
        pace=plan.pace,
        stack=plan.stack.name,
        condition=Condition.COMING_UP,
        ports=ports,
        accelerator={node.name: accelerator.of(node.arch) for node in plan.topology.nodes},
        image_digests={arch.value: image.digest for arch, image in plan.images.items()},
        payloads=payloads,
        kubectl=plan.kubectl,
        versions=_versions(plan),
        checkpoint=key,
    )


def _versions(plan: Plan) -> dict[str, str]:
    """Of everything that takes part; the report shows them."""
    found = {"edge-lab": version("edge-lab"), "qemu": _emulator_version()}
    found |= {name: version(name) for name in ("libvirt-python", "pymodbus", "asyncua")}
    found |= plan.stack.versions(plan.artifacts)
    for arch, image in plan.images.items():
        found |= {f"{name} ({arch.value})": text for name, text in image.versions.items()}
    return found


def _emulator_version() -> str:
    try:
        said = subprocess.run(
            ["qemu-img", "--version"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError) as trouble:
        raise LabError("qemu-img is not installed", remedy="`lab doctor` tells more.") from trouble
    return said.partition("\n")[0].removeprefix("qemu-img version ")


# -- down ------------------------------------------------------------------------------------


def take_down(name: str, deadline: Deadline | None = None) -> TakenDown:
    """Ends everything of the lab called `name`, whatever state a crash has left it in.

    Logs, consoles and captures are kept in the cache. A lab that is not there is no error.
    """
    run = RunDir(name)
    ended = 0
    deadline = deadline or Deadline.after(DOWN_SECONDS)
    # Whoever is still bringing it up holds the lock: that process is ended first.
    for sign in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        try:
            with _alone(run):
                cleared = _clear(run, deadline)
                run.lock.unlink(missing_ok=True)
                return TakenDown(ended + cleared.processes, cleared.evidence)
        except _Busy:
            holder = lock_holder(run.lock)
            if holder is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(holder, sign)
                    ended += 1
    raise LabError(f"lab {name!r} cannot be taken down: {run.lock} stays locked")


def _clear(run: RunDir, deadline: Deadline | None = None) -> TakenDown:
    run.require_ours()
    ended = end_processes(run.path, deadline or Deadline.after(DOWN_SECONDS))
    evidence = keep_evidence(run) if run.path.is_dir() else None
    run.remove()
    return TakenDown(len(ended), evidence)


class _Busy(LabError):
    """Another process is at work on this lab."""


@contextlib.contextmanager
def _alone(run: RunDir) -> Iterator[None]:
    """Only one process at a time brings a lab up, down, or saves it."""
    run.lock.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run.lock, timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise _Busy(
            f"another process is at work on lab {run.lab!r}",
            remedy="Wait for it, or end it with `lab down`.",
        ) from None
    try:
        yield
    finally:
        lock.release()


# -- checkpoints -----------------------------------------------------------------------------


def save_lab(name: str) -> str:
    """Saves the running lab as a checkpoint; returns its key."""
    with _alone(RunDir(name)):
        return attach(name).save(Deadline.after(START_SECONDS * speed_factor()))


def restore_lab(name: str) -> Lab:
    """Puts the running lab back to its checkpoint."""
    with _alone(RunDir(name)):
        lab = attach(name)
        lab.restore(Deadline.after(START_SECONDS * speed_factor()))
        return lab
