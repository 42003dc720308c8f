"""Attaches to a lab that another process has started."""

from __future__ import annotations

from edge_lab.bringup.host import Host, LocalHost
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.handle.lab import Lab
from edge_lab.handle.stage import stage_of
from edge_lab.handle.state import Condition, LabState, known_labs, read_state, state_if_up


def attach(name: str, host: Host | None = None) -> Lab:
    """The running lab called `name`.

    Raises:
        LabError: it is not running, or is still starting.
    """
    run = RunDir(name)
    return (host or LocalHost()).attach(run, require_up(run))


def require_up(run: RunDir) -> LabState:
    """The state of the lab in `run`; LabError with the reason if it is not running."""
    state = state_if_up(run)
    if state is None:
        raise _not_up(run)
    run.link()
    return state


def _not_up(run: RunDir) -> LabError:
    """Why the lab in `run` is not running, and the remedy."""
    state = read_state(run)
    if state is None or state.condition is not Condition.UP:
        stage = stage_of(run)
        if stage is not None:
            return LabError(
                f"lab {run.lab!r} is starting{f': {stage}' if stage else ''}",
                remedy=f"Wait until `lab up` has finished, or run `lab down --lab {run.lab}` "
                "to stop it.",
            )
    if state is None:
        others = ", ".join(name for name in known_labs() if name != run.lab)
        select = f" Other labs: {others}; select one with --lab NAME." if others else ""
        return LabError(
            f"lab {run.lab!r} is not running", remedy=f"Run `lab up` to start it.{select}"
        )
    if state.condition is Condition.IN_TRANSITION:
        return LabError(
            f"lab {run.lab!r} is being saved or restored, or an earlier save or restore was "
            "interrupted",
            remedy=f"Wait for that command, or run `lab down --lab {run.lab}` to remove the lab.",
        )
    if state.condition is Condition.COMING_UP:
        return LabError(
            f"lab {run.lab!r} is not running: its start was interrupted",
            remedy="Run `lab up` to start it again, or `lab down` to remove what is left.",
        )
    return LabError(
        f"lab {run.lab!r} is no longer running: its processes have ended, for example by a "
        "reboot of the host",
        remedy="Run `lab up` to start it again, or `lab down` to remove what is left.",
    )
