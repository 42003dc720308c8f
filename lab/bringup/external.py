"""Examines external nodes before anything is built, and gives them back when the lab ends."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_lab.bringup.processes import external_machines
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.home import RunDir
from edge_lab.core.process import end_processes
from edge_lab.core.step import step, warn
from edge_lab.handle.state import read_state
from edge_lab.machines import write_ssh_config
from edge_lab.machines.external import ExternalMachine, GivenBack, ssh_host
from edge_lab.machines.external.examination import Needs, told
from edge_lab.topology import Node, Topology, external_nodes

EXAMINE_SECONDS = 660.0
"""For a node to be powered on, to boot and to be examined, on the reference machine."""
GIVE_BACK_SECONDS = 900.0
"""The same, and for all changes to be reverted."""
END_SECONDS = 10.0


@dataclass(frozen=True)
class ScratchRun(RunDir):
    """Folders for SSH before there is a run directory. `lab` is the name of the future lab."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder

    @property
    def short(self) -> Path:
        return self.folder

    def link(self) -> None:
        """Does nothing: there is only one path."""


@contextmanager
def scratch_machine(topology: Topology, node: Node) -> Iterator[ExternalMachine]:
    """An external node without a running lab, to log in and examine it."""
    with tempfile.TemporaryDirectory(prefix="edge-lab-") as folder:
        run = ScratchRun(topology.name, Path(folder))
        for room in (run.logs, run.consoles, run.keys):
            room.mkdir(mode=0o700)
        write_ssh_config(run, (), [ssh_host(node, run.keys)])
        machine = ExternalMachine(node, topology, run)
        try:
            yield machine
        finally:
            machine.shell.disconnect()
            end_processes(run.path, Deadline.scaled(END_SECONDS))


def lacks(topology: Topology, node: Node, deadline: Deadline, *, wake: bool = True) -> str:
    """All missing requirements of an external node, as one message; empty if it can join.

    With `wake` it is powered on if it is off.

    Raises:
        InputError: it presents another host key, or refuses the login.
        LabError: it does not answer.
    """
    with scratch_machine(topology, node) as machine:
        if wake or machine.answers():
            machine.wait_reached(deadline)
        else:
            raise LabError("no SSH server answers there")
        found, _ = machine.examine(Needs.of(topology, node), deadline)
        return told(node.name, found) if found else ""


def require_external_nodes(topology: Topology) -> None:
    """Examines all external nodes of a topology.

    Raises:
        InputError: requirements are missing, all of which the message lists.
        LabError: a node does not answer.
    """
    nodes = external_nodes(topology)
    if not nodes:
        return
    deadline = Deadline.scaled(EXAMINE_SECONDS)
    with (
        step("examine the external nodes"),
        ThreadPoolExecutor(len(nodes)) as pool,
    ):
        asked = [pool.submit(lacks, topology, node, deadline) for node in nodes]
        found = [message for message in (answer.result() for answer in asked) if message]
    if found:
        raise InputError("\n".join(found), remedy="See the requirements in docs/real-hardware.md.")


def give_back_nodes(run: RunDir) -> tuple[GivenBack, ...]:
    """Gives back the external nodes of the lab in `run`, in any state of the lab."""
    try:
        state = read_state(run)
    except LabError as trouble:
        warn(f"cannot give back external nodes, if there are any: {trouble.message}")
        return ()
    if state is None:
        return ()
    nodes = [machine for machine in external_machines(run, state) if machine.handed_over.exists()]
    if not nodes:
        return ()
    deadline = Deadline.scaled(GIVE_BACK_SECONDS)
    with ThreadPoolExecutor(len(nodes)) as pool:
        found = list(pool.map(lambda machine: machine.give_back(deadline), nodes))
    return tuple(message for message in found if message is not None)
