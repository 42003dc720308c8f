"""Whether samplers are sandboxed where their nodes require it; and that the check can fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.observe.sandboxes import known_collector, look_from_outside
from edge_lab.oracles.sandbox import SandboxClass
from edge_lab.oracles.sandbox.proofs import Outcome
from suites.autonomy.sandboxes import LOOK_SECONDS, SamplerSandboxes

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Autonomy"), allure.feature("Sandboxes")]


@pytest.mark.scenario("sandboxed samplers at rest")
@allure.title(
    "On nodes that sandbox all pods, the node's processes show that samplers run in gVisor"
)
def test_samplers_are_sandboxed_where_their_nodes_say_so(sandboxes: SamplerSandboxes) -> None:
    if not sandboxes.nodes:
        raise MissingCapability("no node of this lab has its sampler in a sandbox")
    sandboxes.look()
    sandboxes.judge()


@allure.title("The collector, which runs under runc, fails the proofs of a sandbox (control)")
def test_a_pod_of_the_workload_under_runc_fails_the_proofs(lab: Lab, time_limit: TimeLimit) -> None:
    pod = known_collector(lab, time_limit(LOOK_SECONDS))
    verdict = look_from_outside(lab, pod, time_limit(LOOK_SECONDS))
    assert verdict.of_class is SandboxClass.NOT_SANDBOXED, str(verdict)
    assert verdict.of_outcome(Outcome.FAILS) == {"sandbox processes", "program of the pod"}
