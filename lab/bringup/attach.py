"""Attaching to a lab that another process has brought up."""

from __future__ import annotations

from edge_lab.bringup.host import Host, LocalHost
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.handle.lab import Lab
from edge_lab.handle.stage import stage_of
from edge_lab.handle.state import Condition, LabState, read_state, state_if_up


def attach(name: str, host: Host | None = None) -> Lab:
    """The lab called `name`, which is up.

    Raises:
        LabError: it is not up, or is only just coming up.
    """
    run = RunDir(name)
    return (host or LocalHost()).attach(run, require_up(run))


def require_up(run: RunDir) -> LabState:
    """The state of the lab in `run`; LabError if it is not up, and why."""
    state = state_if_up(run)
    if state is None:
        raise _not_up(run)
    run.link()
    return state


def _not_up(run: RunDir) -> LabError:
    """Why the lab in `run` is not up, and what to do."""
    state = read_state(run)
    if state is None or state.condition is not Condition.UP:
        stage = stage_of(run)
        if stage is not None:
            return LabError(
                f"lab {run.lab!r} is coming up{f': {stage}' if stage else ''}",
                remedy="Wait for the `lab up` that is at work, or end it with `lab down`.",
            )
    if state is None:
        return LabError(f"lab {run.lab!r} is not up", remedy="`lab up` brings it up.")
    if state.condition is Condition.IN_TRANSITION:
        return LabError(
            f"lab {run.lab!r} is being saved or restored, or that has failed half-way",
            remedy=f"Wait for whoever is at work, or clear it: lab down --lab {run.lab}",
        )
    if state.condition is Condition.COMING_UP:
        return LabError(
            f"lab {run.lab!r} is not up: its start was interrupted",
            remedy="`lab up` starts it again, `lab down` only clears what is left.",
        )
    return LabError(
        f"lab {run.lab!r} is up no more: its processes are gone, as after a restart of the host",
        remedy="`lab up` brings it up again, `lab down` only clears what is left.",
    )
