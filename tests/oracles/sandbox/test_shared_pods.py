"""Runs that several tests of the suite judge: what each of them sees, and that a pod runs once."""

from __future__ import annotations

from typing import Any, cast

import pytest

from edge_lab.addons.hostile.settings import Setting
from edge_lab.core.errors import LabError
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.oracles.sandbox import judge_attempts
from edge_lab.oracles.sandbox.expected import Row, reached, refused, same
from edge_lab.oracles.sandbox.records import AttemptRun
from edge_lab.topology import Arch, Node
from suites.sandbox.sharedpods import AimedRun, Attacker, DeclaredRun, Once
from tests.oracles.sandbox.seen import attempt, run_of

AGENTS = {"tcp-wire": same("a", reached()), "tcp-loopback": same("b", refused("ECONNREFUSED"))}
TOKEN = {"api-version": same("c", reached()), "api-pods": same("d", refused("HTTP 403"))}
GOOD = (
    attempt("tcp-wire", reached=True),
    attempt("tcp-loopback", errno="ECONNREFUSED"),
    attempt("api-version", reached=True),
    attempt("api-pods", status=403),
)


def aimed(run: AttemptRun) -> AimedRun:
    return AimedRun(run, frozenset((*AGENTS, *TOKEN)), "marker", "marker", "marker")


def problems(run: AttemptRun, declared: dict[str, Row]) -> tuple[str, ...]:
    part = aimed(run).only(declared)
    return judge_attempts("edge", "k+o", Setting.RUNC_DEFAULT, part.run, part.declared).problems


def test_each_test_judges_its_part() -> None:
    for declared in (AGENTS, TOKEN):
        assert problems(run_of(*GOOD), declared) == ()
    worse = run_of(*GOOD[:3], attempt("api-pods", reached=True))
    assert problems(worse, AGENTS) == ()
    assert len(problems(worse, TOKEN)) == 1


def test_an_attempt_that_no_test_knows_is_a_problem_for_each() -> None:
    more = run_of(*GOOD, attempt("surprise", reached=True))
    for declared in (AGENTS, TOKEN):
        assert len(problems(more, declared)) == 1


def test_a_run_that_is_not_complete_or_lacks_an_attempt_is_a_problem() -> None:
    for declared in (AGENTS, TOKEN):
        assert len(problems(run_of(*GOOD, complete=False), declared)) == 1
    assert len(problems(run_of(*GOOD[:3]), TOKEN)) == 1
    assert problems(run_of(*GOOD[:3]), AGENTS) == ()


def attacker(node: str, setting: Setting) -> Attacker:
    spec = Node(name=node, arch=Arch.X86_64, role="edge")
    there = LabNode(spec, cast(Any, None), cast(Any, None))
    return Attacker(cast(Any, None), cast(HostilePods, None), there, setting, cast(Any, None))


def test_a_pod_runs_once_for_each_node_and_setting() -> None:
    runs: list[tuple[str, Setting]] = []

    def first(by: Attacker) -> DeclaredRun:
        runs.append((by.node.name, by.setting))
        return DeclaredRun(run_of(), {})

    def second(by: Attacker) -> int:
        return 2

    once = Once()
    asked = [
        attacker("a", Setting.RUNC_DEFAULT),
        attacker("a", Setting.GVISOR_DEFAULT),
        attacker("b", Setting.RUNC_DEFAULT),
    ]
    results = [once(first, by) for by in asked]
    assert [once(first, by) for by in asked] == results
    assert runs == [(by.node.name, by.setting) for by in asked]
    assert once(second, asked[0]) == 2


def test_an_error_is_not_kept() -> None:
    answers: list[Exception | int] = [LabError("the API server did not answer"), 1]

    def run(by: Attacker) -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    once, by = Once(), attacker("a", Setting.RUNC_DEFAULT)
    with pytest.raises(LabError):
        once(run, by)
    assert once(run, by) == once(run, by) == 1
