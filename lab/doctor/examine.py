"""All probes, and which stacks are available."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from edge_lab.artifacts import ArtifactState, ArtifactStore, Availability, Want, host_arch
from edge_lab.core.errors import EdgeLabError
from edge_lab.core.home import cache_home
from edge_lab.core.step import step
from edge_lab.doctor.host import Examination, Host
from edge_lab.doctor.model import AcceleratorFinding, DoctorReport, StackFinding
from edge_lab.doctor.probes import PROBES
from edge_lab.topology import Topology


class AcceleratorLike(Protocol):
    """The result of the accelerator probe."""

    @property
    def name(self) -> str: ...

    @property
    def reason(self) -> str: ...


def doctor(
    topology: Topology,
    *,
    store: ArtifactStore | None = None,
    host: Host | None = None,
    accelerator: Callable[[], AcceleratorLike] | None = None,
    stack_wants: Callable[[str, Topology], Sequence[Want]] | None = None,
) -> DoctorReport:
    """Examines this machine for what a lab of the topology would need.

    Raises:
        InputError: the topology names an unknown stack, or the lock file of the
            artifacts is damaged.
    """
    store = store or ArtifactStore.default()
    with step("examine this machine"):
        wants = {name: (stack_wants or _wants_of)(name, topology) for name in topology.stacks}
        rows = store.state([want for wanted in wants.values() for want in wanted])
        state = {Want(row.component, row.arch): row for row in rows}
        stacks = _judge(wants, state)
        chosen = next((stack.name for stack in stacks if stack.chosen), None)
        used = wants[chosen] if chosen else ()
        all_cached = bool(used) and all(state[w].state is Availability.CACHED for w in used)
        this = Examination(host or Host(), topology, cache_home(), all_cached)
        checks = tuple(check for probe in PROBES for check in probe(this))
    with step("accelerator"):
        found = (accelerator or _probe_accelerator)()
    return DoctorReport(
        topology=topology.name,
        addons=topology.addons,
        checks=checks,
        accelerator=AcceleratorFinding(name=found.name, reason=found.reason),
        stacks=stacks,
        artifacts=tuple(rows),
    )


def _judge(
    wants: Mapping[str, Sequence[Want]], state: Mapping[Want, ArtifactState]
) -> tuple[StackFinding, ...]:
    findings: list[StackFinding] = []
    for name, needed in wants.items():
        missing = tuple(
            str(want) for want in dict.fromkeys(needed) if state[want].state is Availability.MISSING
        )
        first = not missing and not any(finding.ok for finding in findings)
        findings.append(StackFinding(name=name, ok=not missing, chosen=first, missing=missing))
    return tuple(findings)


def _wants_of(name: str, topology: Topology) -> Sequence[Want]:
    from edge_lab.addons import get_platform

    return get_platform(name, topology).wants(topology)


def _probe_accelerator() -> AcceleratorLike:
    from edge_lab.images import cached_root_image
    from edge_lab.machines.accelerator import probe_accelerator

    try:
        return probe_accelerator(cached_root_image(host_arch()))
    except EdgeLabError as trouble:
        return AcceleratorFinding(name="tcg", reason=trouble.message)
