"""Starts and stops labs."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from edge_lab.bringup.admission import QUEUE_SECONDS, admit, forget_demand, read_limits
from edge_lab.bringup.attach import attach
from edge_lab.bringup.external import give_back_nodes, require_external_nodes
from edge_lab.bringup.host import Host, LocalHost
from edge_lab.bringup.retention import keep_evidence
from edge_lab.bringup.saving import restore_checkpoint, save_checkpoint
from edge_lab.bringup.start import START_SECONDS, Start, UpOptions
from edge_lab.bringup.tracing import tracing
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.home import RunDir
from edge_lab.core.ports import require_free
from edge_lab.core.process import end_processes, lock_holder
from edge_lab.core.step import step
from edge_lab.fabric.hostlinks import require_host_interfaces
from edge_lab.handle.lab import Lab
from edge_lab.handle.stage import forget_stage, telling_stage
from edge_lab.handle.state import LabState, state_if_up
from edge_lab.machines.external import GivenBack
from edge_lab.machines.virtualization import check_virtualization
from edge_lab.topology import Topology, booted_nodes

__all__ = ["Lab", "UpOptions", "attach", "bring_up", "restore_lab", "save_lab", "take_down"]

BUILD_SECONDS = 5400.0
"""Time limit for artifacts and images, on an idle reference machine with an empty cache."""

DOWN_SECONDS = 30.0
LOCK_SECONDS = 3.0


@dataclass(frozen=True)
class TakenDown:
    """The result of `take_down`."""

    processes: int
    evidence: Path | None
    """The folder to which logs and consoles were moved, if any."""
    given_back: tuple[GivenBack, ...] = ()
    """The external nodes that had been provisioned."""


# -- Up --------------------------------------------------------------------------------------


def bring_up(topology: Topology, options: UpOptions | None = None, host: Host | None = None) -> Lab:
    """Starts a lab of `topology`, or attaches to it if it is running.

    Raises:
        InputError: the stack is unknown, a requested port is in use, or the lab alone exceeds
            the limits for all labs.
        LabError: an artifact is not available, a machine died, or something was not ready in
            time. The lab is removed then, but its logs and consoles are kept.
    """
    options, host = options or UpOptions(), host or LocalHost()
    run = RunDir(topology.name)
    run.require_ours()
    run.require_sockets()
    with _alone(run):
        found = state_if_up(run)
        if found is not None:
            _must_be_the_same(found, topology, options)
            return attach(topology.name, host)
        if run.path.exists():
            with step(f"remove what is left of the last lab {topology.name}"):
                _clear(run)
        limits = read_limits()  # before anything is built, since they may be invalid
        require_host_interfaces(topology)
        require_external_nodes(topology)
        if options.api_port is not None:
            require_free(options.api_port, "the API server")
        with telling_stage(run), tracing(run) as trace, step(f"lab {topology.name}"):
            built = Deadline.after(BUILD_SECONDS * host.speed_factor)
            plan = host.plan(topology, options.stack, built)
            accelerator = host.accelerator(plan)
            for node in booted_nodes(topology):
                check_virtualization(node, accelerator.of(node.arch))
            start = Start(host, run, plan, accelerator, options)
            queue = Deadline.after(QUEUE_SECONDS * host.speed_factor)
            try:
                admit(run, topology, limits, queue)
                return trace.started(start.walk(lambda: _clear(run)))
            except BaseException as trouble:
                trace.failed(trouble)
                evidence = _clear(run).evidence
                forget_demand(run)
                if isinstance(trouble, LabError) and evidence and not trouble.remedy:
                    trouble.remedy = f"Logs and consoles are kept in {evidence}."
                raise


def _must_be_the_same(found: LabState, topology: Topology, options: UpOptions) -> None:
    if found.topology != topology.at_pace(found.pace):
        raise InputError(
            f"a lab {topology.name!r} with another topology is running",
            remedy=f"Stop it first: lab down --lab {topology.name}",
        )
    if options.stack not in (None, found.stack):
        raise InputError(
            f"lab {topology.name!r} is running with the stack {found.stack}",
            remedy=f"Stop it first: lab down --lab {topology.name}",
        )


# -- Down ------------------------------------------------------------------------------------


def take_down(name: str, deadline: Deadline | None = None) -> TakenDown:
    """Ends all processes of the lab called `name`, in whatever state a crash has left it.

    Logs, consoles and captures are kept in the cache. A missing lab is not an error.
    """
    run = RunDir(name)
    ended = 0
    deadline = deadline or Deadline.scaled(DOWN_SECONDS)
    # A process that is still starting the lab holds the lock: that process is ended first.
    for sign in (signal.SIGTERM, signal.SIGKILL, signal.SIGKILL):
        try:
            with _alone(run):
                cleared = _clear(run, deadline)
                run.lock.unlink(missing_ok=True)
                forget_stage(run)
                forget_demand(run)
                return replace(cleared, processes=ended + cleared.processes)
        except _Busy:
            holder = lock_holder(run.lock)
            if holder is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(holder, sign)
                    ended += 1
    raise LabError(f"lab {name!r} cannot be stopped: another process keeps {run.lock} locked")


def _clear(run: RunDir, deadline: Deadline | None = None) -> TakenDown:
    run.require_ours()
    given_back = give_back_nodes(run)
    if given_back:  # has its own time limit
        deadline = None
    ended = end_processes(run.path, deadline or Deadline.scaled(DOWN_SECONDS))
    evidence = keep_evidence(run) if run.path.is_dir() else None
    run.remove()
    return TakenDown(len(ended), evidence, given_back)


class _Busy(LabError):
    """Another process is changing this lab."""


@contextlib.contextmanager
def _alone(run: RunDir) -> Iterator[None]:
    """Only one process at a time starts, stops, saves or restores a lab."""
    run.lock.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run.lock, timeout=Deadline.scaled(LOCK_SECONDS).remaining)
    try:
        lock.acquire()
    except Timeout:
        raise _Busy(
            f"another process is changing lab {run.lab!r}",
            remedy="Wait for it, or run `lab down` to stop it.",
        ) from None
    try:
        yield
    finally:
        lock.release()


# -- Checkpoints -----------------------------------------------------------------------------


def save_lab(name: str, host: Host | None = None) -> str:
    """Saves the running lab as a checkpoint; returns its key."""
    with _alone(RunDir(name)):
        lab = attach(name, host)
        return save_checkpoint(lab, Deadline.after(START_SECONDS * lab.host.speed_factor))


def restore_lab(name: str, host: Host | None = None) -> Lab:
    """Restores the running lab from its checkpoint."""
    with _alone(RunDir(name)):
        lab = attach(name, host)
        restore_checkpoint(lab, Deadline.after(START_SECONDS * lab.host.speed_factor))
        return lab
