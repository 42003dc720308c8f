"""Files by which components trust: a stack that declares any declares all of them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

import pytest

from edge_lab.pki import CLUSTER, Authority, InstalledAuthority, Pki, TrustBundle
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks import Stack, get_stack
from edge_lab.stacks.endpoints import KUBEEDGE_DOMAIN
from edge_lab.stacks.kubeedge import EDGECORE_UNIT
from edge_lab.stacks.kubeedge_certificate import CloudcoreSigner
from edge_lab.topology import Topology
from tests.faults.fake_certificates import FakeKeys, secret_of
from tests.stacks.provisions import files_of, flags_of, units_of

DECLARED = ("kubernetes+openyurt", "kubernetes+kubelet", "kubernetes+kubeedge")


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
        if (held.node, held.domain) == (node, CLUSTER)
    }


def test_each_file_with_the_authority_in_it_is_declared_and_no_other(
    stack: Stack, provisions: Mapping[str, Provision], topology: Topology, pki: Pki
) -> None:
    for node, provision in provisions.items():
        found = naming(pki.authority(CLUSTER), provision.files)
        # An edge node with KubeEdge knows cloudcore's authority alone.
        assert found or stack.runtime.name == "kubeedge"
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
    bundles = [bundle for bundle in stack.trust_bundles(topology) if bundle.domain == CLUSTER]
    assert bundles
    for bundle in bundles:
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
    (held,) = (
        authority
        for authority in stack.installed_authorities(topology)
        if authority.domain == CLUSTER
    )
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


@pytest.mark.parametrize("name", ["k3s+kubeedge", "k3s+k3s"])
def test_a_stack_that_knows_half_of_it_declares_nothing(name: str, topology: Topology) -> None:
    assert get_stack(name).trust_bundles(topology) == ()
    assert get_stack(name).installed_authorities(topology) == ()
    assert get_stack(name).secret_files(topology) == ()
    assert get_stack(name).why_authority_stays


def test_cloudcore_is_given_its_authority_where_it_looks_for_it_and_in_both_places(
    topology: Topology,
) -> None:
    """Secret and file hold the same, and there is a file for each entry that is replaced."""
    stack = get_stack("kubernetes+kubeedge")
    (held,) = (
        authority
        for authority in stack.installed_authorities(topology)
        if authority.domain == KUBEEDGE_DOMAIN
    )
    (shown,) = (
        certificate
        for certificate in stack.further_certificates(topology)
        if certificate.signer == CloudcoreSigner()
    )
    files = {file.path: file for file in stack.secret_files(topology)}
    assert set(files) == {*held.paths, *shown.paths}
    assert (
        {file.node for file in files.values()} == {held.node, shown.node} == {topology.server.name}
    )
    authority = Authority.create("KubeEdge")
    keys = FakeKeys(None, {("kubeedge", "casecret"): secret_of(authority)})  # type: ignore[arg-type]
    certificate, key = (files[path].read(keys).content for path in held.paths)
    assert (certificate, key) == tuple(file.content for file in held.files(authority.identity))
    assert key.startswith(b"-----BEGIN EC PRIVATE KEY-----")


def test_edge_nodes_trust_cloudcore_by_the_file_that_they_got_when_they_joined(
    topology: Topology,
) -> None:
    stack = get_stack("kubernetes+kubeedge")
    bundles = [
        bundle for bundle in stack.trust_bundles(topology) if bundle.domain == KUBEEDGE_DOMAIN
    ]
    assert {(bundle.node, bundle.path) for bundle in bundles} == {
        (node.name, "/etc/kubeedge/ca/rootCA.crt") for node in topology.edges
    }
    assert {bundle.units for bundle in bundles} == {(EDGECORE_UNIT,)}
