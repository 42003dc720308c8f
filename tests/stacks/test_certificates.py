"""Certificates that can be replaced: where a stack says they lie, there it puts them."""

from __future__ import annotations

from collections.abc import Mapping

from edge_lab.pki import CertificateSpec, IdentityRequest, LabSigner, Pki, TrustDomain
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Stack
from edge_lab.stacks.kubeedge import EDGECORE_UNIT
from edge_lab.stacks.kubelet import KUBELET_UNIT
from edge_lab.stacks.openyurt import YURTHUB_UNIT
from edge_lab.topology import Topology
from tests.stacks.provisions import files_of


def test_a_declared_certificate_lies_where_it_is_declared(
    stack: Stack, provisions: Mapping[str, Provision], topology: Topology, pki: Pki
) -> None:
    for held in stack.certificates(topology):
        assert held.unit in stack.units(topology)[held.node]
        if not isinstance(held.signer, LabSigner):
            continue  # the node gets it when it joins
        given = files_of(provisions[held.node])
        name = requested_as(stack, topology, held.signer.domain, held.spec)
        for file in held.files(pki.identity(held.signer.domain, name)):
            assert given[file.path] == file


def requested_as(
    stack: Stack, topology: Topology, domain: TrustDomain, spec: CertificateSpec
) -> str:
    (name,) = {
        request.name
        for request in stack.identities(topology)
        if isinstance(request, IdentityRequest) and (request.domain, request.spec) == (domain, spec)
    }
    return name


def test_who_shows_the_node_s_certificate_is_who_must_begin_anew(
    stack: Stack, topology: Topology
) -> None:
    edge = topology.edges[0].name
    own = [
        held for held in stack.certificates(topology) if (held.node, held.name) == (edge, "node")
    ]
    shows = {
        "openyurt": YURTHUB_UNIT,
        "kubelet": KUBELET_UNIT,
        "kubeedge": EDGECORE_UNIT,
    }.get(stack.runtime.name)
    assert [held.unit for held in own] == ([shows] if shows else [])
