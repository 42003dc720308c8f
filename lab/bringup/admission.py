"""Limits of memory and CPUs for all labs of a cache together: labs that exceed them wait.

Before its machines are switched on, a lab writes its demand to a file beside its lock. It is
admitted if it fits beside the existing labs, and if no earlier lab is waiting. The demand counts
while the lab's lock is held or the lab has processes, so it is ignored after a crash.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError, LabError
from edge_lab.core.home import RunDir, cache_home
from edge_lab.core.hostmemory import EMULATOR_MIB, memory_limit
from edge_lab.core.names import is_name
from edge_lab.core.process import lock_holder, processes_of
from edge_lab.core.sizes import parse_size
from edge_lab.core.step import step
from edge_lab.handle.state import known_labs, read_state
from edge_lab.topology import Topology, booted_nodes

MEMORY, CPUS = "LAB_MEMORY_LIMIT", "LAB_CPU_LIMIT"
"""Variables with the limits."""
FOR_THE_HOST = 0.9
"""The default fraction of the host's memory that labs may use."""
QUEUE_SECONDS = 4 * 3600.0
"""Seconds to wait for other labs to be taken down, on the reference machine."""
LOOK_EVERY = 1.0

_MIB = 1024**2
_SUFFIX = ".demand"


class Demand(BaseModel):
    """The demand of a lab on the host."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_mib: int
    """Memory of its guests, with that of their emulators."""
    cpus: int
    """CPUs of its guests."""
    since: int
    """When it began to wait, Unix time in ns."""
    admitted: bool = False

    @classmethod
    def of(cls, topology: Topology, *, admitted: bool = False) -> Demand:
        return cls(
            memory_mib=sum(node.memory + EMULATOR_MIB for node in booted_nodes(topology)),
            cpus=sum(node.cpus for node in booted_nodes(topology)),
            since=time.time_ns(),
            admitted=admitted,
        )


@dataclass(frozen=True)
class Limits:
    """Limits for all labs of this cache together; None means no limit."""

    memory_mib: int | None
    cpus: int | None
    memory_is_given: bool = False
    """Whether the user has set it; otherwise it is derived from the host."""

    def exceeded_by(self, demands: Mapping[str, Demand]) -> str:
        """A description of what exceeds the limits; empty if it fits."""
        memory = sum(demand.memory_mib for demand in demands.values())
        cpus = sum(demand.cpus for demand in demands.values())
        if self.memory_mib is not None and memory > self.memory_mib:
            return f"{memory} of {self.memory_mib} MiB of memory"
        if self.cpus is not None and cpus > self.cpus:
            return f"{cpus} of {self.cpus} CPUs"
        return ""


def read_limits() -> Limits:
    """LAB_MEMORY_LIMIT (a size) and LAB_CPU_LIMIT (a number of guests' CPUs), `none` for no limit.

    The defaults: 90 % of the host's memory, and no limit of CPUs, since emulated ones share cores.

    Raises:
        InputError: they have other values.
    """
    memory, cpus = os.environ.get(MEMORY, ""), os.environ.get(CPUS, "")
    if cpus not in ("", "none") and not (cpus.isdecimal() and int(cpus)):
        raise InputError(
            f"{CPUS} is {cpus!r}", remedy="It is a number of guests' CPUs, such as 8, or none."
        )
    if memory in ("", "none"):
        given = None if memory else int(_host_memory() * FOR_THE_HOST) // _MIB
    else:
        try:
            given = parse_size(memory) // _MIB
        except InputError as trouble:
            raise InputError(f"{MEMORY}: {trouble.message}", remedy=trouble.remedy) from trouble
    return Limits(given, None if cpus in ("", "none") else int(cpus), memory not in ("", "none"))


def _host_memory() -> int:
    total = psutil.virtual_memory().total
    return min(total, memory_limit(_text) or total)


def _text(path: str) -> str | None:
    with contextlib.suppress(OSError):
        return Path(path).read_text(encoding="utf-8", errors="replace")
    return None


def admit(run: RunDir, topology: Topology, limits: Limits, deadline: Deadline) -> None:
    """Returns when the lab is admitted; the lab's lock must be held.

    Raises:
        InputError: it exceeds a limit of the user even without other labs.
        DeadlineExceeded: other labs used the resources for the whole time.
    """
    demand = Demand.of(topology)
    alone = {run.lab: demand}
    if (too_much := limits.exceeded_by(alone)) and _is_given(limits, demand):
        raise InputError(
            f"lab {run.lab!r} needs {too_much}, more than all labs may use",
            remedy=f"Raise {MEMORY} or {CPUS}, or give its nodes less.",
        )
    _write(run, demand)
    if _try(run, demand, limits):
        return
    with step("wait for other labs") as waiting:

        def fits() -> bool:
            if _try(run, demand, limits):
                return True
            others = ", ".join(name for name in demands() if name != run.lab)
            waiting.progress(f"{limits.exceeded_by({**demands(), run.lab: demand})}: {others}")
            return False

        try:
            deadline.wait_for("other labs to be taken down", fits, every=LOOK_EVERY)
        except DeadlineExceeded as trouble:
            others = ", ".join(name for name in demands() if name != run.lab)
            raise DeadlineExceeded(
                f"lab {run.lab!r} has waited {deadline.total:.0f} s for other labs to be taken "
                f"down: {others}",
                remedy=f"`lab status --all` shows them; {MEMORY} and {CPUS} are the limits.",
            ) from trouble


def _is_given(limits: Limits, demand: Demand) -> bool:
    """Whether a limit of the user is exceeded; a limit derived from the host is not strict."""
    over_cpus = limits.cpus is not None and demand.cpus > limits.cpus
    return limits.memory_is_given or over_cpus


def _try(run: RunDir, demand: Demand, limits: Limits) -> bool:
    """Admits the lab if it fits, and no earlier lab is waiting."""
    with _alone():
        others = {name: other for name, other in demands().items() if name != run.lab}
        if any(not other.admitted and other.since < demand.since for other in others.values()):
            return False
        admitted = {name: other for name, other in others.items() if other.admitted}
        # A lab that is alone on the host never waits.
        if admitted and limits.exceeded_by({**admitted, run.lab: demand}):
            return False
        _write(run, demand.model_copy(update={"admitted": True}))
        return True


def demands() -> dict[str, Demand]:
    """The demand of each running or waiting lab of this cache, in the order of arrival."""
    root = cache_home() / "labs"
    files = {path.stem: path for path in root.glob(f"*{_SUFFIX}") if is_name(path.stem)}
    found: dict[str, Demand] = {}
    for name in {*files, *known_labs()}:
        run = RunDir(name)
        demand = _read(files[name]) if name in files else _of_state(run)
        if demand is None:
            continue
        held = lock_holder(run.lock) is not None
        if held or (demand.admitted and any(processes_of(run.path))):
            found[name] = demand
    return dict(sorted(found.items(), key=lambda entry: entry[1].since))


def _of_state(run: RunDir) -> Demand | None:
    """The demand of a lab that an older version has started."""
    with contextlib.suppress(LabError):
        if state := read_state(run):
            return Demand.of(state.topology, admitted=True).model_copy(update={"since": 0})
    return None


def _read(file: Path) -> Demand | None:
    try:
        return Demand.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError):
        return None


def _write(run: RunDir, demand: Demand) -> None:
    file = run.lock.with_suffix(_SUFFIX)
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".demand-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as draft:
        draft.write(demand.model_dump_json())
    Path(name).replace(file)


def forget_demand(run: RunDir) -> None:
    """Removes the lab's demand."""
    run.lock.with_suffix(_SUFFIX).unlink(missing_ok=True)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with FileLock(cache_home() / "admission.lock"):
        yield
