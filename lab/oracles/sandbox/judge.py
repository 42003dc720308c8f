"""The verdict on a pod that should be sandboxed.

What was not observed is neither a pass nor a failure, but an error of the lab.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edge_lab.oracles.sandbox.counts import counted
from edge_lab.oracles.sandbox.outside import NodeView
from edge_lab.oracles.sandbox.proofs import Outcome, Proof, proofs_from_outside, proofs_of
from edge_lab.oracles.sandbox.records import PodFacts
from edge_lab.oracles.sandbox.releases import release_of
from edge_lab.oracles.verdict import Verdict


class SandboxClass(StrEnum):
    SANDBOXED = "sandboxed by gVisor"
    """All proofs hold."""
    NOT_SANDBOXED = "not sandboxed"
    """At least one fails."""
    NO_EVIDENCE = "no evidence"
    """None fails, but one has no evidence."""


@dataclass(frozen=True)
class SandboxVerdict(Verdict):
    """On one pod."""

    pod: str = ""
    proofs: tuple[Proof, ...] = ()

    @property
    def of_class(self) -> SandboxClass:
        outcomes = {proof.outcome for proof in self.proofs}
        if Outcome.FAILS in outcomes:
            return SandboxClass.NOT_SANDBOXED
        if outcomes == {Outcome.HOLDS}:
            return SandboxClass.SANDBOXED
        return SandboxClass.NO_EVIDENCE

    def of_outcome(self, outcome: Outcome) -> frozenset[str]:
        """The names of the proofs with this outcome."""
        return frozenset(proof.name for proof in self.proofs if proof.outcome is outcome)


def judge_sandbox(
    node: str, runtime: str, pod: str, facts: PodFacts | None, view: NodeView | None
) -> SandboxVerdict:
    """The verdict on `pod` of `node` by its own facts and its node's view of it.

    Facts of another pod are ignored.
    """
    if facts is not None and facts.tag != pod:
        facts = None
    known = release_of(facts.release) if facts else None
    release = f"gVisor from {known.since} on" if known else "no release of gVisor that is known"
    proofs = proofs_of(facts, view)
    evidence = f"pod {pod}: {len(proofs)} proofs; {release}"
    rests_on = "facts of the pod, and the processes of its control group"
    return _judged(node, runtime, pod, proofs, evidence, rests_on)


def judge_from_outside(node: str, runtime: str, pod: str, view: NodeView | None) -> SandboxVerdict:
    """The verdict by the node's view only, for pods that report no facts."""
    proofs = proofs_from_outside(view)
    evidence = f"pod {pod}: {len(proofs)} proofs from outside"
    return _judged(node, runtime, pod, proofs, evidence, "the processes of its control group")


def _judged(
    node: str, runtime: str, pod: str, proofs: tuple[Proof, ...], evidence: str, rests_on: str
) -> SandboxVerdict:
    problems = tuple(
        f"no evidence: {proof}" if proof.outcome is Outcome.NO_EVIDENCE else str(proof)
        for proof in proofs
        if proof.outcome is not Outcome.HOLDS
    )
    measures = counted(
        [proof.outcome for proof in proofs],
        Outcome.HOLDS,
        what="proofs of a sandbox",
        node=node,
        evidence=rests_on,
    )
    return SandboxVerdict(node, runtime, problems, measures, (evidence,), pod, proofs)
