"""Pods that ask for namespaces of their node: they get them under runc, not in a sandbox."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.hostile.pods import attempts_pod, facts_pod
from edge_lab.addons.hostile.settings import Setting
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.oracles.sandbox.namespaces import shows_the_nodes_processes
from suites.sandbox.runtimes import runtime_class
from suites.sandbox.sharedpods import EACH
from suites.sandbox.targets import local_services

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

BOTH = [Setting.RUNC_DEFAULT, Setting.GVISOR_DEFAULT]

pytestmark = [
    allure.parent_suite("Sandbox"),
    allure.feature("Namespaces of the node"),
    pytest.mark.parametrize("setting", BOTH, ids=str),
]


@allure.title("On {edge_node}, hostPID shows the node's processes to a pod with {setting}, or not")
def test_host_pid(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    asked = runtime_class(lab, edge_node.name, setting)
    name = f"hostpid-{setting.slug}-{edge_node.name}"
    pod = replace(facts_pod(edge_node.name, setting, asked, name=name), host_pid=True)
    with hostile_pods.applied(pod, wait=False) as uid:
        facts = hostile_pods.facts(pod, uid)
    assert facts.tag == name
    assert shows_the_nodes_processes(facts) is not setting.sandboxed, facts.processes


@pytest.mark.scenario("hostile attempts with hostNetwork")
@allure.title("On {edge_node}, hostNetwork gives a pod with {setting} the node's network, or not")
def test_host_network(
    lab: Lab, edge_node: LabNode, setting: Setting, hostile_pods: HostilePods
) -> None:
    """In a sandbox with a network stack of its own there is no interface at all."""
    asked = runtime_class(lab, edge_node.name, setting)
    options, declared = local_services(lab, edge_node.name)
    pod = attempts_pod(
        edge_node.name, setting, asked, options=(*EACH, *options), what="hostnet", host_network=True
    )
    run = hostile_pods.attempts(pod)
    verdict = hostile_pods.judge_attempts(edge_node.name, setting, run, declared)
    assert verdict.passed, str(verdict)
