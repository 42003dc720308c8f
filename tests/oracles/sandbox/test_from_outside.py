"""The verdict on pods that say nothing of themselves: by what their nodes show."""

from __future__ import annotations

import pytest

from edge_lab.oracles.sandbox import NodeView, SandboxClass, judge_from_outside
from edge_lab.oracles.sandbox.outside import look_command
from edge_lab.oracles.sandbox.proofs import NEEDS_A_SANDBOX, OUTSIDE, Outcome
from tests.oracles.sandbox.seen import process, sandbox_outside, view

SAMPLER = "sampler-edge-arm"
FREE = {"seccomp": 0, "no_new_privs": 0, "of_runsc": False, "executable": "/edge"}


def of_sampler(node: NodeView) -> NodeView:
    return node.model_copy(update={"program": "edge"})


def judged(node: NodeView | None) -> tuple[SandboxClass, frozenset[str]]:
    verdict = judge_from_outside("edge-arm", "kubernetes+kubelet", SAMPLER, node)
    assert [proof.name for proof in verdict.proofs] == list(OUTSIDE)
    assert verdict.passed is (verdict.of_class is SandboxClass.SANDBOXED)
    return verdict.of_class, verdict.of_outcome(Outcome.FAILS)


def test_a_sampler_in_a_sandbox_needs_no_word_of_its_own() -> None:
    assert judged(of_sampler(sandbox_outside())) == (SandboxClass.SANDBOXED, frozenset())


def test_a_sampler_under_runc_is_not_sandboxed() -> None:
    sampler = process(200, "/edge", "sample", **FREE)
    of_class, failed = judged(of_sampler(view([sampler], programs=(200,))))
    assert of_class is SandboxClass.NOT_SANDBOXED
    assert failed == set(OUTSIDE) - NEEDS_A_SANDBOX


def test_the_program_is_the_one_that_was_asked_for() -> None:
    """A sampler beside a sandbox in one control group is found by its own name alone."""
    both = view([*map(dict, _sandbox()), process(9, "/edge", "sample", **FREE)])
    assert judged(both)[0] is SandboxClass.SANDBOXED  # looked for: edge-hostile
    assert judged(of_sampler(both)) == (
        SandboxClass.NOT_SANDBOXED,
        frozenset({"program of the pod"}),
    )


def _sandbox() -> list[dict[str, object]]:
    return [process(100, "runsc-sandbox", root=["proc"]), process(101, "runsc-gofer")]


@pytest.mark.parametrize("node", [None, view([]), sandbox_outside(root=None)])
def test_what_was_not_seen_is_no_evidence(node: NodeView | None) -> None:
    assert judged(node)[0] is SandboxClass.NO_EVIDENCE


def test_the_node_is_asked_for_the_program_by_name() -> None:
    assert look_command("u-1", "word", "/runsc", "edge").startswith("python3 - u-1 word edge ")
