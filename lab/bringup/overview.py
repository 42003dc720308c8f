"""An overview of all labs of a cache, without connecting to them."""

from __future__ import annotations

import contextlib

from pydantic import BaseModel, ConfigDict

from edge_lab.bringup.admission import demands, read_limits
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.core.process import processes_of
from edge_lab.handle.stage import stage_of
from edge_lab.handle.state import Condition, LabState, known_labs, read_state


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class LabRow(_Model):
    """One lab."""

    lab: str
    condition: str
    """up, coming up, waiting, in transition, or left over (its processes have ended)."""
    stage: str
    """The current stage of a lab that is coming up."""
    stack: str
    nodes: int
    memory_mib: int
    """Memory of the host, including that of emulators; 0 if it uses none."""
    cpus: int


class Overview(_Model):
    """All labs, with the resources that they use and the limits."""

    labs: tuple[LabRow, ...]
    memory_mib: int
    """The sum over admitted labs."""
    memory_limit_mib: int | None
    cpus: int
    cpu_limit: int | None


def overview() -> Overview:
    """The current overview. Raises InputError if a limit cannot be read."""
    taken, limits = demands(), read_limits()
    rows = []
    for name in sorted({*taken, *known_labs()}):
        run, demand, state = RunDir(name), taken.get(name), None
        with contextlib.suppress(LabError):
            state = read_state(run)
        condition = _condition(run, state)
        if demand is not None and not demand.admitted:
            condition = "waiting"
        rows.append(
            LabRow(
                lab=name,
                condition=condition,
                stage=stage_of(run) or "",
                stack=state.stack if state else "",
                nodes=len(state.topology.nodes) if state else 0,
                memory_mib=demand.memory_mib if demand else 0,
                cpus=demand.cpus if demand else 0,
            )
        )
    admitted = [demand for demand in taken.values() if demand.admitted]
    return Overview(
        labs=tuple(rows),
        memory_mib=sum(demand.memory_mib for demand in admitted),
        memory_limit_mib=limits.memory_mib,
        cpus=sum(demand.cpus for demand in admitted),
        cpu_limit=limits.cpus,
    )


def _condition(run: RunDir, state: LabState | None) -> str:
    if stage_of(run) is not None:
        return "coming up"
    if state is None or state.condition is Condition.COMING_UP or not any(processes_of(run.path)):
        return "left over"
    return "up" if state.condition is Condition.UP else "in transition"
