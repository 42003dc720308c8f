"""Saves and restores a whole lab: machines, links and devices at one point in time.

Saving switches the machines off, so `save_checkpoint` ends by restoring the new checkpoint. So
there is only one way in which a lab continues from a checkpoint, and the lab after `lab save` is
the same as after `lab restore`.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from edge_lab.bringup.checkpoint import Checkpoint, CheckpointStore
from edge_lab.bringup.readiness import wait_lab_ready
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError, InputError, LabError, NotPossible
from edge_lab.core.step import Step, step
from edge_lab.devices import restore_device
from edge_lab.faults.journal import FaultJournal
from edge_lab.handle.lab import Lab
from edge_lab.handle.state import Condition
from edge_lab.machines import Machine
from edge_lab.stacks.hostaccess import HostAccess
from edge_lab.topology import Ability, Topology, abilities

RECOVER_SECONDS = 300.0
"""Seconds for a lab to resume from memory after a failed save, on the reference machine."""

END_DEVICES_SECONDS = 20.0


def unsaved(topology: Topology) -> str:
    """The nodes that cannot be saved, for a message; a lab with such nodes has no checkpoint.

    The others alone would be inconsistent: the cluster's store would be older than the state of
    these nodes.
    """
    unable = [node.name for node in topology.nodes if Ability.SNAPSHOT not in abilities(node)]
    return ", ".join(unable)


def _require_saveable(lab: Lab) -> None:
    if names := unsaved(lab.topology):
        raise NotPossible(
            f"lab {lab.name!r} has no checkpoints: the state of {names} can neither be saved nor "
            "restored",
            remedy="For a fresh start, run: lab down, then lab up.",
        )


class SaveFailed(LabError):
    """The checkpoint could not be written; the lab keeps running unchanged."""


def save_checkpoint(lab: Lab, deadline: Deadline) -> str:
    """Saves `lab` under the key in its state, and continues from there. Returns the key.

    Raises:
        NotPossible: it has external nodes.
        InputError: there is an active fault, which a start from the checkpoint would not know.
        SaveFailed: it could not be written, for example because the disk is full; the lab is
            unchanged.
        LabError: nor could the lab be resumed; it stays `Condition.IN_TRANSITION`.
    """
    if faults := FaultJournal(lab.run.logs).active():
        raise InputError(
            "there are active faults: " + ", ".join(entry.fault.title for entry in faults),
            remedy="Heal them first: lab fault heal --all",
        )
    _require_saveable(lab)
    key = lab.state.checkpoint
    store = CheckpointStore()
    try:
        with step("save"), store.make(key) as checkpoint, _recovering(lab, checkpoint):
            _write(lab, checkpoint, deadline)
    except _Unrecoverable:
        raise
    except (EdgeLabError, OSError) as trouble:
        message = trouble.message if isinstance(trouble, EdgeLabError) else str(trouble)
        remedy = trouble.remedy if isinstance(trouble, EdgeLabError) else ""
        raise SaveFailed(
            message, remedy=f"The lab keeps running unchanged. {remedy}".strip()
        ) from trouble
    try:
        restore_checkpoint(lab, deadline)
    except BaseException:
        # It was just written: if it cannot be restored now, it never can.
        store.remove(key)
        raise
    return key


def _write(lab: Lab, checkpoint: Checkpoint, deadline: Deadline) -> None:
    for device in lab.devices.values():
        device.pause(deadline)
    for machine in lab.machines.values():
        machine.suspend()
    for name, device in lab.devices.items():
        device.save(checkpoint.devices / name, deadline)
    checkpoint.fabric.write_text(json.dumps(lab.fabric.snapshot()))
    shutil.copytree(lab.run.keys, checkpoint.keys)
    with step("memory and disks") as saving:
        _each_machine(
            lab, lambda machine: machine.save(checkpoint.machine(machine.name), deadline), saving, 2
        )
    checkpoint.state.write_text(lab.state.model_dump_json(indent=2))


class _Unrecoverable(LabError):
    """A failed save whose lab could not be resumed."""


@contextlib.contextmanager
def _recovering(lab: Lab, checkpoint: Checkpoint) -> Iterator[None]:
    """If the block fails, resumes the lab: machines from memory, then the devices."""
    before = lab.state.condition
    lab.mark(Condition.IN_TRANSITION)
    try:
        yield
    except BaseException as trouble:
        try:
            with step(f"the lab keeps running, not saved ({_first_line(trouble)})") as recovering:
                limit = Deadline.after(RECOVER_SECONDS * lab.host.speed_factor)
                _each_machine(
                    lab,
                    lambda machine: machine.recover(checkpoint.machine(machine.name)),
                    recovering,
                )
                for device in lab.devices.values():
                    device.resume(limit)
                resume_machines(lab, limit)
                lab.mark(before)
        except EdgeLabError as more:
            raise _Unrecoverable(
                f"the lab could not be saved ({_first_line(trouble)}) and could not be resumed: "
                f"{more.message}",
                remedy=f"Stop it: lab down --lab {lab.name}",
            ) from trouble
        raise


def _first_line(trouble: BaseException) -> str:
    return (str(trouble) or type(trouble).__name__).partition("\n")[0]


def restore_checkpoint(lab: Lab, deadline: Deadline) -> None:
    """Restores a running lab from its checkpoint, and waits until it is ready.

    Raises:
        NotPossible: it has external nodes.
        LabError: there is no checkpoint, or it is damaged; then the lab keeps running. Or the
            restore failed; then the lab stays `Condition.IN_TRANSITION`.
    """
    _require_saveable(lab)
    checkpoint = CheckpointStore().find(lab.state.checkpoint)
    if checkpoint is None:
        raise LabError(
            f"lab {lab.name!r} has no matching checkpoint", remedy="Run `lab save` to make one."
        )
    with step("restore"):
        checkpoint.check(lab.topology)
        lab.mark(Condition.IN_TRANSITION)
        for machine in lab.machines.values():
            machine.power_off()
        lab.host.end_devices(lab.run, deadline.within(END_DEVICES_SECONDS))
        lab.fabric.load(json.loads(checkpoint.fabric.read_text()))
        restore_devices(lab, checkpoint)
        lab.host.start_devices(lab.run, lab.state, deadline)
        restore_machines(lab, checkpoint)
        # The nodes trust the original authority, whichever one the host trusts now.
        HostAccess(lab.run.kubeconfig).reset()
        resume_machines(lab, deadline)
        FaultJournal(lab.run.logs).close_all(
            time.time_ns(), "the lab was restored from its checkpoint"
        )
        lab.mark(Condition.UP)


def has_checkpoint(lab: Lab) -> bool:
    """Whether there is a checkpoint that `restore_checkpoint` can restore."""
    return CheckpointStore().find(lab.state.checkpoint) is not None


def restore_devices(lab: Lab, checkpoint: Checkpoint) -> None:
    """Copies the devices' saved state to their folders; they must not run."""
    for name, device in lab.devices.items():
        restore_device(checkpoint.devices / name, device.folder)


def restore_machines(lab: Lab, checkpoint: Checkpoint) -> None:
    """Restores all machines from `checkpoint`; they are paused then."""
    with step("machines") as restoring:
        _each_machine(
            lab, lambda machine: machine.restore(checkpoint.machine(machine.name)), restoring
        )


def resume_machines(lab: Lab, deadline: Deadline) -> None:
    """Resumes paused machines together, sets their clocks, and waits until all are ready."""
    for machine in lab.machines.values():
        machine.resume()
    # In parallel: a first connection to an emulated machine takes seconds.
    with ThreadPoolExecutor(len(lab.machines)) as pool:
        clocks = [pool.submit(machine.set_clock, deadline) for machine in lab.machines.values()]
        wait_lab_ready(lab, deadline)
        for clock in clocks:
            clock.result()


def _each_machine(
    lab: Lab, task: Callable[[Machine], None], parent: Step, at_once: int | None = None
) -> None:
    """Runs `task` on all machines, `at_once` of them in parallel, each as a step.

    Raises the first failure when all have ended.
    """

    def run(machine: Machine) -> None:
        with step(machine.name, parent=parent):
            task(machine)

    with ThreadPoolExecutor(at_once or len(lab.machines)) as pool:
        done = [pool.submit(run, machine) for machine in lab.machines.values()]
    for future in done:
        future.result()
