"""The memory and the CPUs that all labs of a cache may take together: who comes last waits.

Before its machines are switched on, a lab writes down what it will take, in a file beside its
lock. It is admitted if it fits in with the labs that are there, and if none waits that came before
it. What it has written counts as long as the lab lives: while its lock is held, and as long as it
has processes; a crash leaves nothing that counts.
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
"""The part of the host's memory that labs may take, if nothing else is said."""
QUEUE_SECONDS = 4 * 3600.0
"""For other labs to be taken down, on the reference machine."""
LOOK_EVERY = 1.0

_MIB = 1024**2
_SUFFIX = ".demand"


class Demand(BaseModel):
    """What a lab takes of the host."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    memory_mib: int
    """Of its guests, with what their emulators need."""
    cpus: int
    """CPUs of its guests."""
    since: int
    """Unix time, ns, at which it began to wait."""
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
    """Of all labs of this cache together; None is no limit."""

    memory_mib: int | None
    cpus: int | None
    memory_is_given: bool = False
    """Whether the user has said it; else it follows from the host."""

    def exceeded_by(self, demands: Mapping[str, Demand]) -> str:
        """What is too much, in words; empty if it fits."""
        memory = sum(each.memory_mib for each in demands.values())
        cpus = sum(each.cpus for each in demands.values())
        if self.memory_mib is not None and memory > self.memory_mib:
            return f"{memory} of {self.memory_mib} MiB of memory"
        if self.cpus is not None and cpus > self.cpus:
            return f"{cpus} of {self.cpus} CPUs"
        return ""


def read_limits() -> Limits:
    """LAB_MEMORY_LIMIT (a size) and LAB_CPU_LIMIT (a number of guests' CPUs), `none` for no limit.

    Without them nine tenths of the host's memory, and no limit of CPUs: emulated ones share cores.

    Raises:
        InputError: they are something else.
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
    """Returns when the lab may take what it needs; the lab's lock must be held.

    Raises:
        InputError: it is more than a limit that was given, even without other labs.
        DeadlineExceeded: other labs have taken it for the whole time.
    """
    demand = Demand.of(topology)
    alone = {run.lab: demand}
    if (too_much := limits.exceeded_by(alone)) and _is_given(limits, demand):
        raise InputError(
            f"lab {run.lab!r} needs {too_much}, more than all labs may take",
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
                f"lab {run.lab!r} has waited for {deadline.total:.0f} s until other labs are taken "
                f"down: {others}",
                remedy=f"`lab status --all` shows them; {MEMORY} and {CPUS} are the limits.",
            ) from trouble


def _is_given(limits: Limits, demand: Demand) -> bool:
    """Whether what is exceeded was said by the user; what follows from the host is no law."""
    over_cpus = limits.cpus is not None and demand.cpus > limits.cpus
    return limits.memory_is_given or over_cpus


def _try(run: RunDir, demand: Demand, limits: Limits) -> bool:
    """Admits the lab if there is room, and nobody waits that came before."""
    with _alone():
        others = {name: each for name, each in demands().items() if name != run.lab}
        if any(not each.admitted and each.since < demand.since for each in others.values()):
            return False
        admitted = {name: each for name, each in others.items() if each.admitted}
        # A lab that has the host for itself is never kept waiting.
        if admitted and limits.exceeded_by({**admitted, run.lab: demand}):
            return False
        _write(run, demand.model_copy(update={"admitted": True}))
        return True


def demands() -> dict[str, Demand]:
    """What each lab of this cache that lives takes, or waits for; the first to come first."""
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
    return dict(sorted(found.items(), key=lambda each: each[1].since))


def _of_state(run: RunDir) -> Demand | None:
    """Of a lab that an older version has brought up."""
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
    """The lab takes nothing any more."""
    run.lock.with_suffix(_SUFFIX).unlink(missing_ok=True)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with FileLock(cache_home() / "admission.lock"):
        yield
