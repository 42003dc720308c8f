"""The proofs of a sandbox: each holds under gVisor, fails by itself, and does not pass unseen."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.addons.hostile.image import HOSTILE_PROGRAM
from edge_lab.core.errors import LabError
from edge_lab.oracles.sandbox import (
    NodeView,
    PodFacts,
    SandboxClass,
    SandboxVerdict,
    judge_sandbox,
    parse_facts,
    parse_node_view,
)
from edge_lab.oracles.sandbox.outside import PROGRAM, look_command
from edge_lab.oracles.sandbox.proofs import (
    BETWEEN,
    INSIDE,
    NEEDS_A_SANDBOX,
    OUTSIDE,
    PROOFS,
    Outcome,
)
from edge_lab.oracles.sandbox.records import KernelLog, SeenText
from edge_lab.oracles.sandbox.releases import OSRELEASE, RELEASE_2026, RELEASES, GvisorRelease
from tests.budget import examples
from tests.oracles.sandbox.seen import (
    NODE_BOOT,
    POD,
    process,
    runc_outside,
    sandbox_outside,
    sandboxed,
    under_runc,
    view,
)


def judged(facts: PodFacts | None, node: NodeView | None) -> SandboxVerdict:
    return judge_sandbox("edge-arm", "kubernetes+kubelet", POD, facts, node)


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.since)
def test_all_proofs_hold_under_gvisor(release: GvisorRelease) -> None:
    verdict = judged(sandboxed(release), sandbox_outside())
    assert verdict.of_class is SandboxClass.SANDBOXED, str(verdict)
    assert verdict.passed
    assert verdict.of_outcome(Outcome.HOLDS) == frozenset(PROOFS)


def test_under_runc_every_proof_fails_that_can_be_made() -> None:
    verdict = judged(under_runc(), runc_outside())
    assert verdict.of_class is SandboxClass.NOT_SANDBOXED
    assert verdict.of_outcome(Outcome.FAILS) == frozenset(PROOFS) - NEEDS_A_SANDBOX
    assert verdict.of_outcome(Outcome.NO_EVIDENCE) == NEEDS_A_SANDBOX


def text(name: str, content: str) -> dict[str, Any]:
    return {"texts": {**sandboxed().texts, name: SeenText(text=content)}}


FLAWS_INSIDE: dict[str, dict[str, Any]] = {
    "kernel name": {"version": "#1 SMP Debian"},
    "/proc/version": text("version", "Linux version 4.4.0 (gcc) #1 SMP"),
    "kernel command line": text("cmdline", "root=/dev/vda quiet"),
    "kernel log": {"kernel_log": KernelLog(lines=900, first="<5>[ 0.0] Linux version", last="x")},
    "/proc/sentry-meminfo": {"paths": {**sandboxed().paths, "/proc/sentry-meminfo": "ENOENT"}},
    "files that gVisor lacks": {"paths": {**sandboxed().paths, "/proc/kallsyms": ""}},
    "network namespace": text("net_namespace", "net:[4026531840]"),
    "load average": text("loadavg", "0.01 0.00 0.00 1/99 12"),
    "root mount": {"root_mount": "5 4 0:1 / / rw - overlay overlay rw,upperdir=/var/lib/x"},
    "own control group": text("cgroup", "0::/"),
    "another kernel": text("boot_id", NODE_BOOT),
}


def test_each_proof_from_inside_has_a_flaw_here() -> None:
    assert set(FLAWS_INSIDE) == {*INSIDE, *BETWEEN}


@pytest.mark.parametrize("name", FLAWS_INSIDE)
def test_each_proof_from_inside_fails_by_itself(name: str) -> None:
    facts = sandboxed().model_copy(update=FLAWS_INSIDE[name])
    verdict = judged(facts, sandbox_outside())
    assert verdict.of_class is SandboxClass.NOT_SANDBOXED
    assert verdict.of_outcome(Outcome.FAILS) == {name}


GOFER = process(101, "runsc-gofer")
FLAWS_OUTSIDE = {
    "sandbox processes": view([process(100, "runsc-sandbox", root=["etc"])]),
    "seccomp": sandbox_outside(seccomp=0),
    "root of the sandbox": sandbox_outside(root=["bin", "etc", "proc"]),
    "program of the pod": view(
        [process(100, "runsc-sandbox", root=["proc"]), GOFER, process(9, "/edge-hostile", "facts")]
    ),
    "network of the sandbox": sandbox_outside(net_namespace="net:[4026531840]"),
}


def test_each_proof_from_outside_has_a_flaw_here() -> None:
    assert set(FLAWS_OUTSIDE) == set(OUTSIDE)


@pytest.mark.parametrize("name", FLAWS_OUTSIDE)
def test_each_proof_from_outside_fails_by_itself(name: str) -> None:
    verdict = judged(sandboxed(), FLAWS_OUTSIDE[name])
    assert verdict.of_class is SandboxClass.NOT_SANDBOXED
    assert verdict.of_outcome(Outcome.FAILS) == {name}


@pytest.mark.parametrize(
    "processes",
    [
        [process(100, "runsc-sandbox", root=["proc"], of_runsc=False), GOFER],
        [process(100, "runsc-sandbox", root=["proc"]), {**GOFER, "of_runsc": False}],
    ],
    ids=["sandbox", "gofer"],
)
def test_a_program_that_calls_itself_runsc_is_none(processes: list[dict[str, Any]]) -> None:
    verdict = judged(sandboxed(), view(processes))
    assert verdict.of_outcome(Outcome.FAILS) == {"sandbox processes"}


@pytest.mark.parametrize("executable", ["/edge-hostile", "/edge-hostile (deleted)"])
def test_the_pods_program_is_known_by_its_file_whatever_it_calls_itself(executable: str) -> None:
    renamed = process(102, "kworker", executable=executable, of_runsc=False)
    sandbox = process(100, "runsc-sandbox", root=["proc"])
    verdict = judged(sandboxed(), view([sandbox, GOFER, renamed]))
    assert verdict.of_outcome(Outcome.FAILS) == {"program of the pod"}


def test_a_pod_that_says_it_is_sandboxed_is_not_believed() -> None:
    """What it sees can be forged by whoever runs it; the processes of its node cannot."""
    verdict = judged(sandboxed(), runc_outside())
    assert verdict.of_class is SandboxClass.NOT_SANDBOXED
    assert verdict.of_outcome(Outcome.FAILS) == {"sandbox processes", "program of the pod"}


@pytest.mark.parametrize(
    ("facts", "node"),
    [
        (None, None),
        (sandboxed(), None),
        (None, sandbox_outside()),
        (sandboxed(tag="another-pod"), sandbox_outside()),
        (sandboxed(), view([])),
        (sandboxed(texts={}), sandbox_outside()),
        (sandboxed(**text("cgroup", "")), sandbox_outside()),
        (sandboxed(), sandbox_outside(of_runsc=None)),
        (sandboxed(paths={}), sandbox_outside()),
        (sandboxed(kernel_log={}), sandbox_outside()),
        (sandboxed(), sandbox_outside(seccomp=-1)),
        (sandboxed(), sandbox_outside(root=None)),
    ],
)
def test_what_was_not_seen_is_no_evidence(facts: PodFacts | None, node: NodeView | None) -> None:
    verdict = judged(facts, node)
    assert verdict.of_class is SandboxClass.NO_EVIDENCE, str(verdict)
    assert not verdict.passed


def test_a_proof_that_fails_counts_for_more_than_one_without_evidence() -> None:
    assert judged(under_runc(), None).of_class is SandboxClass.NOT_SANDBOXED


def test_a_newer_release_may_have_files_that_the_older_one_lacks() -> None:
    assert sandboxed(RELEASE_2026).paths[OSRELEASE] == ""
    older = sandboxed().model_copy(update={"paths": {**sandboxed().paths, OSRELEASE: ""}})
    verdict = judged(older, sandbox_outside())
    assert verdict.of_outcome(Outcome.FAILS) == {"files that gVisor lacks"}


@settings(max_examples=examples(60))
@given(
    st.builds(
        lambda release, files, log, paths, mount: sandboxed().model_copy(
            update={
                "release": release,
                "texts": {name: SeenText(text=text) for name, text in files.items()},
                "kernel_log": KernelLog(lines=len(log), first=log, last=log),
                "paths": paths,
                "root_mount": mount,
            }
        ),
        st.text(max_size=20),
        st.dictionaries(st.sampled_from(sorted(sandboxed().texts)), st.text(max_size=30)),
        st.text(max_size=30),
        st.dictionaries(st.sampled_from(sorted(sandboxed().paths)), st.sampled_from(["", "EIO"])),
        st.text(max_size=30),
    )
)
def test_whatever_a_pod_says_there_is_a_verdict(facts: PodFacts) -> None:
    verdict = judged(facts, sandbox_outside())
    assert [proof.name for proof in verdict.proofs] == list(PROOFS)
    assert verdict.passed is (verdict.of_class is SandboxClass.SANDBOXED)


def test_facts_are_found_in_a_log_of_other_things() -> None:
    line = sandboxed().model_dump_json()
    assert parse_facts(f"edge-hostile: something\n{line}\n") == sandboxed()
    assert parse_facts(line[:40]) is None
    with pytest.raises(LabError, match="PodFacts"):
        parse_facts(json.dumps({"kernel_log": 1}))


def test_a_nodes_view_is_read_and_nothing_else() -> None:
    assert parse_node_view(runc_outside().model_dump_json()) == runc_outside()
    for wrong in ("", "[]", "{}"):
        with pytest.raises(LabError):
            parse_node_view(wrong)
    compile(PROGRAM, "look", "exec")
    assert look_command("u-1", POD, "/runsc").startswith(f"python3 - u-1 {POD} {HOSTILE_PROGRAM} ")
