"""A whole lab saved and put back: machines, wires and devices at one point in time.

A save ends by going back to what it has just saved.  So there is one way only to continue
from a checkpoint, and the lab after `lab save` is the lab that `lab restore` gives.
"""

from __future__ import annotations

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

from edge_lab.checkpoint import Checkpoint, CheckpointStore
from edge_lab.deadline import Deadline
from edge_lab.devices import restore_device
from edge_lab.errors import InputError, LabError
from edge_lab.faults.book import FaultBook
from edge_lab.machines import Machine, flatten_overlay
from edge_lab.process import end_processes
from edge_lab.readiness import wait_lab_ready
from edge_lab.running import Lab
from edge_lab.sites import start_devices
from edge_lab.step import step


def save_checkpoint(lab: Lab, deadline: Deadline) -> str:
    """Saves `lab` under the key in its state, and goes on from there. Returns the key.

    Raises:
        InputError: a fault is in force: whoever starts from the checkpoint would not know.
    """
    if faults := FaultBook(lab.run.logs).in_force():
        raise InputError(
            "faults are in force: " + ", ".join(each.fault.title for each in faults),
            remedy="Heal them first: lab fault heal --all",
        )
    key = lab.state.checkpoint
    with step("save"), CheckpointStore().make(key) as checkpoint:
        for device in lab.devices.values():
            device.pause(deadline)
        for machine in lab.machines.values():
            machine.suspend()
        for name, device in lab.devices.items():
            device.save(checkpoint.devices / name, deadline)
        checkpoint.fabric.write_text(json.dumps(lab.fabric.snapshot()))
        shutil.copytree(lab.run.keys, checkpoint.keys)
        with step("memory and disks") as saving, ThreadPoolExecutor(2) as pool:

            def save(machine: Machine) -> None:
                with step(machine.name, parent=saving):
                    _save_machine(machine, checkpoint, deadline)

            for done in [pool.submit(save, machine) for machine in lab.machines.values()]:
                done.result()
        checkpoint.state.write_text(lab.state.model_dump_json(indent=2))
    go_back(lab, deadline)
    return key


def _save_machine(machine: Machine, checkpoint: Checkpoint, deadline: Deadline) -> None:
    machine.save(checkpoint.memory(machine.name))
    flatten_overlay(
        machine.files.overlay, machine.spec.image.disk, checkpoint.disk(machine.name), deadline
    )
    shutil.copyfile(machine.files.seed, checkpoint.seed(machine.name))
    checkpoint.seed(machine.name).chmod(0o600)


def go_back(lab: Lab, deadline: Deadline) -> None:
    """Puts a running lab back to its checkpoint, and waits until it is ready."""
    checkpoint = CheckpointStore().find(lab.state.checkpoint)
    if checkpoint is None:
        raise LabError(
            f"lab {lab.name!r} has no checkpoint that fits it", remedy="`lab save` makes one."
        )
    with step("restore"):
        for machine in lab.machines.values():
            machine.power_off()
        end_processes(lab.run.path, deadline.within(20), argument=str(lab.run.devices))
        lab.fabric.load(json.loads(checkpoint.fabric.read_text()))
        restore_devices(lab, checkpoint)
        start_devices(lab.run, lab.state, deadline)
        restore_machines(lab, checkpoint, deadline)
        go_on(lab, deadline)
        FaultBook(lab.run.logs).close_all(time.time_ns(), "the lab went back to its checkpoint")


def restore_devices(lab: Lab, checkpoint: Checkpoint) -> None:
    """Puts the devices' saved state into their folders; they must not run."""
    for name, device in lab.devices.items():
        restore_device(checkpoint.devices / name, device.folder)


def restore_machines(lab: Lab, checkpoint: Checkpoint, deadline: Deadline) -> None:
    """Brings all machines back from `checkpoint`; they are paused then."""
    with step("machines") as restoring, ThreadPoolExecutor(len(lab.machines)) as pool:

        def load(machine: Machine) -> None:
            with step(machine.name, parent=restoring):
                machine.overlay_on(checkpoint.disk(machine.name))
                shutil.copyfile(checkpoint.seed(machine.name), machine.files.seed)
                machine.restore(checkpoint.memory(machine.name), paused=True)

        for done in [pool.submit(load, machine) for machine in lab.machines.values()]:
            done.result()


def go_on(lab: Lab, deadline: Deadline) -> None:
    """Lets restored machines go on together, sets their clocks, waits until all is ready."""
    for machine in lab.machines.values():
        machine.resume()
    # At the same time: a first connection to an emulated machine takes its seconds.
    with ThreadPoolExecutor(len(lab.machines)) as pool:
        clocks = [pool.submit(machine.set_clock, deadline) for machine in lab.machines.values()]
        wait_lab_ready(lab, deadline)
        for clock in clocks:
            clock.result()
