"""Files of nodes with the cluster's authority in them, or with what it has signed: a stack that
declares any, and its add-ons, declare all."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from edge_lab.pki import CLUSTER, Authority, LabSigner
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.topology import Topology
from tests.addons.services.conftest import ContextOf, PlatformOf

ProvisionsOf = Callable[[str], dict[str, Provision]]
by_stack = pytest.mark.parametrize(
    "stack", ["kubernetes+openyurt", "kubernetes+kubelet", "kubernetes+kubeedge"]
)


def signed_by(authority: Authority, file: GuestFile) -> Iterator[x509.Certificate]:
    """The certificates in it that the authority has signed, its own aside."""
    if b"BEGIN CERTIFICATE" not in file.content:
        return
    for certificate in x509.load_pem_x509_certificates(file.content):
        try:
            certificate.verify_directly_issued_by(authority.certificate)
        except (InvalidSignature, ValueError):
            continue
        if certificate != authority.certificate:
            yield certificate


def inline(files: Iterable[GuestFile]) -> set[str]:
    """The paths of files with certificates in them that no file of its own holds."""
    coded = base64.b64encode(b"-----BEGIN CERT")[:16]
    return {file.path for file in files if coded in file.content}


@by_stack
def test_all_that_trusts_the_authority_is_declared(
    topology: Topology,
    platform_of: PlatformOf,
    context_of: ContextOf,
    provisions_of: ProvisionsOf,
    stack: str,
) -> None:
    platform = platform_of(stack)
    pem = context_of(platform).given.pki.authority(CLUSTER).certificate_pem
    bundles = [bundle for bundle in platform.trust_bundles(topology) if bundle.domain == CLUSTER]
    signers = [
        authority
        for authority in platform.stack.installed_authorities(topology)
        if authority.domain == CLUSTER
    ]
    declared = {(bundle.node, bundle.path) for bundle in bundles}
    declared |= {(authority.node, authority.certificate) for authority in signers}
    found = {
        (node, file.path)
        for node, provision in provisions_of(stack).items()
        for file in provision.files
        if pem in file.content
    }
    assert found == declared
    units = platform.units(topology)
    for bundle in platform.trust_bundles(topology):
        assert set(bundle.units) <= set(units[bundle.node])


@by_stack
def test_all_that_the_authority_has_signed_is_declared(
    topology: Topology,
    platform_of: PlatformOf,
    context_of: ContextOf,
    provisions_of: ProvisionsOf,
    stack: str,
) -> None:
    platform = platform_of(stack)
    authority = context_of(platform).given.pki.authority(CLUSTER)
    all_held = (*platform.certificates(topology), *platform.further_certificates(topology))
    held = [certificate for certificate in all_held if certificate.signer == LabSigner(CLUSTER)]
    declared = {(certificate.node, certificate.certificate): certificate for certificate in held}
    found = {
        (node, file.path): certificate
        for node, provision in provisions_of(stack).items()
        for file in provision.files
        for certificate in signed_by(authority, file)
    }
    assert found.keys() == declared.keys()
    for place, certificate in found.items():
        again = authority.issue(declared[place].spec).certificate
        assert certificate.subject == again.subject
    units = platform.units(topology)
    assert {
        certificate.unit for certificate in held if certificate.unit not in units[certificate.node]
    } == set()


@by_stack
def test_no_certificate_stands_inline_in_a_kubeconfig(
    provisions_of: ProvisionsOf, stack: str
) -> None:
    for provision in provisions_of(stack).values():
        assert inline(provision.files) == set()
    assert inline([GuestFile("x", base64.b64encode(b"-----BEGIN CERTIFICATE-----\n"))])


def test_a_stack_that_does_not_say_whom_it_trusts_has_no_add_ons_that_do(
    topology: Topology, platform_of: PlatformOf
) -> None:
    for stack in ("k3s+kubeedge", "k3s+kubelet"):
        assert platform_of(stack).trust_bundles(topology) == ()
        assert platform_of(stack).further_certificates(topology) == ()
