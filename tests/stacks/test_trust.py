"""Files by which components trust: a stack that declares any declares all of them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

import pytest

from edge_lab.pki import CLUSTER, Authority, InstalledAuthority, Pki, TrustBundle
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks import Stack, get_stack
from edge_lab.topology import Topology
from tests.stacks.provisions import files_of, flags_of, units_of

DECLARED = ("kubernetes+openyurt", "kubernetes+kubelet")


@pytest.fixture(params=DECLARED)
def stack(request: pytest.FixtureRequest) -> Stack:
    return get_stack(request.param)


def naming(authority: Authority, files: Iterable[GuestFile]) -> set[str]:
    """The paths of the files that have its certificate in them, plain or in a kubeconfig."""
    plain = authority.certificate_pem
    coded = base64.b64encode(plain)
    return {file.path for file in files if plain in file.content or coded in file.content}


def declared_on(stack: Stack, topology: Topology, node: str) -> set[str]:
    holders: tuple[TrustBundle | InstalledAuthority, ...] = (
        *stack.trust_bundles(topology),
        *stack.installed_authorities(topology),
    )
    return {
        held.path if isinstance(held, TrustBundle) else held.certificate
        for held in holders
        if held.node == node
    }


def test_each_file_with_the_authority_in_it_is_declared_and_no_other(
    stack: Stack, provisions: Mapping[str, Provision], topology: Topology, pki: Pki
) -> None:
    for node, provision in provisions.items():
        found = naming(pki.authority(CLUSTER), provision.files)
        assert found
        assert found == declared_on(stack, topology, node)


def test_a_file_that_nobody_declares_is_found(
    stack: Stack, provisions: Mapping[str, Provision], topology: Topology, pki: Pki
) -> None:
    node = topology.edges[0].name
    forgotten = GuestFile("/etc/app/ca.crt", pki.authority(CLUSTER).certificate_pem)
    found = naming(pki.authority(CLUSTER), (*provisions[node].files, forgotten))
    assert found - declared_on(stack, topology, node) == {forgotten.path}


def test_what_is_declared_can_be_read_and_replaced(
    stack: Stack, provisions: Mapping[str, Provision], topology: Topology, pki: Pki
) -> None:
    own = pki.authority(CLUSTER)
    pair = (own.certificate_pem, own.impostor().certificate_pem)
    assert stack.trust_bundles(topology)
    for bundle in stack.trust_bundles(topology):
        content = files_of(provisions[bundle.node])[bundle.path].content
        assert bundle.authorities(content) == (own.certificate,)
        both = bundle.trusting(content, pair)
        assert len(bundle.authorities(both)) == len(pair)
        assert bundle.authorities(bundle.trusting(both, pair[:1])) == (own.certificate,)
        assert set(bundle.units) <= set(stack.units(topology)[bundle.node])


def test_what_signs_is_apart_from_what_is_trusted(
    stack: Stack, provisions: Mapping[str, Provision], topology: Topology, pki: Pki
) -> None:
    """The controller manager does not start with two certificates there."""
    server = topology.server.name
    units = units_of(provisions[server])
    flags = flags_of(units["kube-controller-manager.service"])
    (held,) = stack.installed_authorities(topology)
    assert (flags["cluster-signing-cert-file"], flags["cluster-signing-key-file"]) == (
        held.certificate,
        held.key,
    )
    files = files_of(provisions[server])
    assert files[held.key].content == pki.authority(CLUSTER).identity.key_pem
    bundles = {bundle.path for bundle in stack.trust_bundles(topology)}
    assert held.certificate not in bundles
    for unit, flag in (
        ("kube-apiserver", "client-ca-file"),
        ("kube-apiserver", "kubelet-certificate-authority"),
        ("kube-controller-manager", "root-ca-file"),
    ):
        assert flags_of(units[f"{unit}.service"])[flag] in bundles


@pytest.mark.parametrize("name", ["kubernetes+kubeedge", "k3s+k3s"])
def test_a_stack_that_knows_half_of_it_declares_nothing(name: str, topology: Topology) -> None:
    assert get_stack(name).trust_bundles(topology) == ()
    assert get_stack(name).installed_authorities(topology) == ()
