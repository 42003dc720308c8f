"""Stacks by their names: what they can do, what they want, what they refuse."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from edge_lab.artifacts import Want, host_arch
from edge_lab.core.errors import InputError, LabError
from edge_lab.stacks import Capability, Stack, StackContext, get_stack, stack_names
from edge_lab.topology import Arch, Topology


def test_each_stack_is_found_by_its_name(stack: Stack) -> None:
    assert get_stack(stack.name).name == stack.name


def test_an_unknown_stack_is_the_users_mistake() -> None:
    with pytest.raises(InputError, match="Did you mean 'kubernetes\\+openyurt'"):
        get_stack("kubernetes+openyurd")


@pytest.mark.parametrize("capability", Capability)
def test_a_capability_is_asked_for_by_a_test_and_lacked_by_a_stack(capability: Capability) -> None:
    suites = Path(__file__).parents[2] / "suites"
    marks = re.compile(rf'mark\.(needs|fails_without)\([^)]*"{capability.value}"')
    assert any(marks.search(path.read_text()) for path in suites.rglob("test_*.py"))
    having = {name: capability in get_stack(name).capabilities for name in stack_names()}
    assert set(having.values()) == {True, False}, having


def test_a_stack_claims_no_more_than_it_has() -> None:
    autonomy = {Capability.AUTONOMY, Capability.OFFLINE_REBOOT}
    assert autonomy <= get_stack("kubernetes+openyurt").capabilities
    assert not autonomy & get_stack("kubernetes+kubelet").capabilities


def test_wanted_are_the_programs_of_each_architecture_and_kubectl_for_the_host(
    topology: Topology,
) -> None:
    wants = get_stack("kubernetes+openyurt").wants(topology)
    assert len(wants) == len(set(wants))
    assert Want("kubectl", host_arch()) in wants
    assert Want("kube-apiserver", Arch.X86_64) in wants
    assert {want.arch for want in wants if want.component == "kubelet"} == set(Arch)
    assert {want.arch for want in wants if want.component == "yurthub"} == {
        Arch.AARCH64,
        Arch.RISCV64,
    }


def test_a_component_that_was_not_resolved_is_named(stack: Stack, context: StackContext) -> None:
    bare = replace(context, artifacts={})
    with pytest.raises(LabError, match="no artifact for"):
        stack.provision(bare)


def test_a_network_on_the_services_addresses_is_refused(topology: Topology, stack: Stack) -> None:
    odd = topology.networks[1].model_copy(update={"subnet": IPv4Network("10.96.7.0/24")})
    with pytest.raises(InputError, match="overlaps"):
        stack.check(topology.model_copy(update={"networks": (topology.networks[0], odd)}))
