"""Whether the container runtime does with each OCI runtime what the Container Runtime Interface
promises, by the suite that its authors wrote for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.critest.names import CRITEST
from edge_lab.addons.gvisor.names import GVISOR, HANDLER
from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import keep_verdict, scenario_of
from edge_lab.fixtures.nodes import LabNode
from edge_lab.oracles.sandbox.critest import (
    CORE,
    CORE_ON_A_BROKEN_RUNTIME,
    LEFT_OUT,
    Came,
    CritestVerdict,
    judge_critest,
)
from suites.sandbox.critestrun import plain_runsc, run, without_agents
from suites.sandbox.runtimes import need_gvisor, sandboxes

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Sandbox"), allure.feature("critest"), pytest.mark.needs(CRITEST)]

RUNC = "runc"
WHOLE_SECONDS = 1800.0
"""For the core of the suite; a spec takes ten to eighty seconds in an emulated guest."""
BROKEN_SECONDS, BROKEN_CALL_SECONDS = 900.0, 60
NO_POD = "failed to create PodSandbox"
"""critest's words for a runtime that does not even start a pod."""


def need_handler(lab: Lab, node: str, handler: str) -> None:
    """MissingCapability if the container runtime of the node has no such handler."""
    if handler == HANDLER and not sandboxes(lab, node):
        raise MissingCapability(f"{node} has no {GVISOR!r} on the stack {lab.stack_name}")


def show(verdict: CritestVerdict) -> None:
    """Into the report, with what is left out and why."""
    lines = [f"{came:10} {it.seconds:6.1f} s  {it.name}" for it, came in verdict.specs]
    lines += [f"left out: {part}: {why}" for part, why in LEFT_OUT.items()]
    name = f"specs with {verdict.handler}"
    allure.attach("\n".join(lines), name, allure.attachment_type.TEXT)


@pytest.mark.scenario("critest")
@pytest.mark.parametrize("handler", [HANDLER, RUNC])
@allure.title("On {edge_node}, the container runtime passes critest with {handler}")
def test_a_runtime_passes_critest(
    request: pytest.FixtureRequest,
    lab: Lab,
    edge_node: LabNode,
    handler: str,
    time_limit: TimeLimit,
) -> None:
    need_handler(lab, edge_node.name, handler)
    with without_agents(lab, edge_node, time_limit):
        records = run(edge_node, handler, CORE, time_limit, seconds=WHOLE_SECONDS)
    verdict = judge_critest(edge_node.name, lab.stack_name, handler, records)
    show(verdict)
    keep_verdict(request.config, scenario_of(request.node), verdict)
    assert verdict.passed, str(verdict)


@allure.title("On {edge_node}, critest fails with runsc itself behind the shim for runc (control)")
def test_critest_fails_with_a_runtime_that_the_shim_does_not_know(
    lab: Lab, edge_node: LabNode, time_limit: TimeLimit
) -> None:
    """The control: the same specs, and the same containerd, without edge-runsc."""
    need_gvisor(lab)
    need_handler(lab, edge_node.name, HANDLER)
    wanted = CORE_ON_A_BROKEN_RUNTIME
    with without_agents(lab, edge_node, time_limit), plain_runsc(edge_node) as handler:
        records = run(
            edge_node,
            handler,
            wanted,
            time_limit,
            seconds=BROKEN_SECONDS,
            call_seconds=BROKEN_CALL_SECONDS,
        )
    verdict = judge_critest(edge_node.name, lab.stack_name, handler, records, wanted)
    show(verdict)
    assert verdict.of(Came.FAILED), str(verdict)
    # Not for want of pods: runsc makes them, and what becomes of containers is lost on the shim.
    assert NO_POD not in str(verdict)
