"""Which node is told which version next, and what the cloud says about it: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from .states import Phase, Version


class NodePhase(StrEnum):
    """What the cloud knows of a node."""

    WAITING = "Waiting"
    """It has not been told yet."""
    TOLD = "Told"
    DONE = "Done"
    FAILED = "Failed"
    UNKNOWN = "Unknown"
    """It has not been heard of for too long; what it runs is not known."""


class Progress(StrEnum):
    """Of an EdgeModel."""

    PROGRESSING = "Progressing"
    COMPLETE = "Complete"
    HALTED = "Halted"
    """A node has refused the version or rolled it back: no further node is told."""


@dataclass(frozen=True)
class RolloutStage:
    """Nodes that are updated before those of the next stage, such as the nodes of a region."""

    name: str
    nodes: tuple[str, ...]
    canary_samples: int = 0
    """Live samples on which each node that can be reached, and at least one, must confirm the
    version after its promotion before the next stage begins; 0: it need not."""


@dataclass(frozen=True)
class Wish:
    """The spec of an EdgeModel."""

    name: str
    generation: int
    version: Version
    repository: str
    samples: int
    tolerance: float
    stages: tuple[RolloutStage, ...] = ()
    """In the order of the rollout."""

    @property
    def order(self) -> tuple[str, ...]:
        """All nodes."""
        return tuple(node for stage in self.stages for node in stage.nodes)

    def of_node(self) -> dict[str, Any]:
        """As the spec of a ModelNode has it."""
        return {
            "version": {"tag": self.version.tag, "digest": self.version.digest},
            "repository": self.repository,
            "generation": self.generation,
            "samples": self.samples,
            "tolerance": self.tolerance,
        }


@dataclass(frozen=True)
class NodeView:
    """What the cloud has heard of one node about one model."""

    name: str
    heard: bool
    """Whether it has reported lately."""
    told: int = 0
    """Generation in its spec; 0 if it was told nothing."""
    generation: int = 0
    """Of its report."""
    phase: Phase = Phase.IDLE
    reason: str = ""
    message: str = ""
    serving: Version | None = None
    confirmed: int | None = 0
    """Live samples on which the serving version was not worse than the previous one, since its
    promotion; None if there is nothing to compare it with."""


@dataclass(frozen=True)
class Plan:
    tell: tuple[str, ...] = ()
    """Nodes that are told now."""
    progress: Progress = Progress.PROGRESSING
    message: str = ""
    nodes: Mapping[str, NodePhase] = field(default_factory=dict)
    withdraw: tuple[str, ...] = ()
    """Nodes out of reach that have not confirmed what they were told, and must not do it later."""


def phase_of(wish: Wish, node: NodeView) -> NodePhase:
    if not node.heard:
        return NodePhase.UNKNOWN
    if node.told != wish.generation:
        return NodePhase.WAITING
    if node.generation != wish.generation:
        return NodePhase.TOLD
    if node.phase in (Phase.REFUSED, Phase.ROLLED_BACK):
        return NodePhase.FAILED
    done = node.phase is Phase.SERVING and node.serving == wish.version
    return NodePhase.DONE if done else NodePhase.TOLD


def plan(wish: Wish, nodes: Sequence[NodeView]) -> Plan:
    """`nodes` in the order of the rollout. One at a time: a node is told when no other that can be
    reached is about it, and when the stages before its own have confirmed the version. Nodes that
    cannot be reached hold up nobody, unless their whole stage has to confirm the version first, and
    are told when they are back; nothing outdated waits for them until then."""
    phases = {node.name: phase_of(wish, node) for node in nodes}
    found = _plan(wish, phases, nodes)
    withdraw = tuple(
        node.name
        for node in nodes
        if not node.heard
        and node.told not in (0, node.generation)
        and (node.told != wish.generation or found.progress is Progress.HALTED)
    )
    return replace(found, withdraw=withdraw)


def _plan(wish: Wish, phases: Mapping[str, NodePhase], nodes: Sequence[NodeView]) -> Plan:
    failed = [node for node in nodes if phases[node.name] is NodePhase.FAILED]
    if failed:
        return Plan((), Progress.HALTED, "; ".join(map(_said_of, failed)), phases)
    if nodes and all(phase is NodePhase.DONE for phase in phases.values()):
        return Plan((), Progress.COMPLETE, "", phases)
    busy = [name for name, phase in phases.items() if phase is NodePhase.TOLD]
    waiting, held = _next(wish, phases, nodes)
    tell = () if busy else waiting
    unknown = [name for name, phase in phases.items() if phase is NodePhase.UNKNOWN]
    said = [f"not heard of: {', '.join(unknown)}"] if unknown else []
    said += [_said_of(node) for node in nodes if node.name in busy and node.reason]
    if held and not busy:
        said.append(held)
    return Plan(tell, Progress.PROGRESSING, "; ".join(said), phases)


def _next(
    wish: Wish, phases: Mapping[str, NodePhase], nodes: Sequence[NodeView]
) -> tuple[tuple[str, ...], str]:
    """The first node that waits, if the stages before its own have confirmed the version; else
    what they lack."""
    by_name = {node.name: node for node in nodes}
    for stage in wish.stages:
        members = [by_name[name] for name in stage.nodes if name in by_name]
        waiting = [node.name for node in members if phases[node.name] is NodePhase.WAITING]
        if waiting:
            return (waiting[0],), ""
        if not stage.canary_samples:
            continue
        done = [node for node in members if phases[node.name] is NodePhase.DONE]
        if not done:
            return (), f"no node of {stage.name} has confirmed the version"
        for node in done:
            if node.confirmed is not None and node.confirmed < stage.canary_samples:
                figures = f"{node.confirmed} of {stage.canary_samples} samples"
                return (), f"{node.name} has confirmed the version on {figures}"
    return (), ""


def _said_of(node: NodeView) -> str:
    return f"{node.name}: {node.reason} {node.message}".rstrip()


# -- from and to objects of the API server -------------------------------------------------------


def wish_of(found: Mapping[str, Any]) -> Wish:
    """From an EdgeModel."""
    spec = found["spec"]
    gate = spec.get("gate") or {}
    return Wish(
        name=found["metadata"]["name"],
        generation=int(found["metadata"]["generation"]),
        version=Version(str(spec["version"]["tag"]), str(spec["version"]["digest"])),
        repository=spec["repository"],
        samples=int(gate.get("samples", 0)),
        tolerance=float(gate.get("tolerance", 0.0)),
        stages=tuple(
            RolloutStage(
                str(stage["name"]), tuple(stage["nodes"]), int(stage.get("canarySamples", 0))
            )
            for stage in spec["stages"]
        ),
    )


def view_of(found: Mapping[str, Any], model: str, heard: bool) -> NodeView:
    """From a ModelNode."""
    told = (found.get("spec", {}).get("models") or {}).get(model) or {}
    said = (found.get("status", {}).get("models") or {}).get(model) or {}
    serving, confirmed = said.get("serving"), said.get("confirmed")
    return NodeView(
        name=found["metadata"]["name"],
        heard=heard,
        told=int(told.get("generation", 0)),
        generation=int(said.get("generation", 0)),
        phase=Phase(said.get("phase", Phase.IDLE.value)),
        reason=str(said.get("reason", "")),
        message=str(said.get("message", "")),
        serving=Version(serving["tag"], serving["digest"]) if serving else None,
        confirmed=None if confirmed is None else int(confirmed),
    )


def status_of(wish: Wish, found: Plan, nodes: Sequence[NodeView]) -> dict[str, Any]:
    """The status of the EdgeModel. Of a node that is not heard of, nothing is claimed."""
    return {
        "phase": found.progress.value,
        "message": found.message,
        "observedGeneration": wish.generation,
        "nodes": {
            node.name: {
                "phase": found.nodes[node.name].value,
                "tag": node.serving.tag if node.heard and node.serving else "",
                "digest": node.serving.digest if node.heard and node.serving else "",
                "reason": node.reason if node.heard else "",
            }
            for node in nodes
        },
    }


class Heard:
    """Which nodes have reported lately, by the counter in their reports and one's own clock: the
    clocks of nodes are not compared."""

    def __init__(self, silent_seconds: float) -> None:
        self._silent = silent_seconds
        self._last: dict[str, tuple[Any, float]] = {}

    def look(self, node: str, beat: Any, now: float) -> bool:
        """Whether the node has reported in the last `silent_seconds`."""
        if not beat:
            return False
        known = self._last.get(node)
        if known is None or known[0] != beat:
            self._last[node] = beat, now
            return True
        return now - known[1] <= self._silent
