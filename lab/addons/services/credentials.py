"""Credentials and trusted authorities of kube-proxy and CoreDNS, in files of each node."""

from __future__ import annotations

from edge_lab.addons.services.dns import HOME as COREDNS_HOME
from edge_lab.addons.services.names import COREDNS, COREDNS_UNIT, KUBE_PROXY, KUBE_PROXY_UNIT
from edge_lab.addons.services.proxy import HOME as KUBE_PROXY_HOME
from edge_lab.addons.services.upstream import identity_name, program_specs
from edge_lab.pki import CLUSTER, InstalledCertificate, LabSigner, Pki, TrustBundle
from edge_lab.provisioning.provision import GuestFile
from edge_lab.stacks import kubeconfig_of_files
from edge_lab.topology import Node

_HOMES = {KUBE_PROXY: KUBE_PROXY_HOME, COREDNS: COREDNS_HOME}
_UNITS = {KUBE_PROXY: KUBE_PROXY_UNIT, COREDNS: COREDNS_UNIT}


def _authority(program: str) -> str:
    return f"{_HOMES[program]}/ca.crt"


def certificates_on(node: Node) -> tuple[InstalledCertificate, ...]:
    """The certificates of both programs, if they connect to the API server directly."""
    return tuple(
        InstalledCertificate(
            name=program,
            node=node.name,
            spec=spec,
            signer=LabSigner(CLUSTER),
            certificate=f"{_HOMES[program]}/tls.crt",
            key=f"{_HOMES[program]}/tls.key",
            unit=_UNITS[program],
        )
        for program, spec in program_specs(node).items()
    )


def trust_on(node: Node) -> tuple[TrustBundle, ...]:
    """The authority with which both verify the API server."""
    return tuple(
        TrustBundle(node.name, CLUSTER, _authority(program), (_UNITS[program],))
        for program in _HOMES
    )


def kubeconfig_on(node: Node, program: str, url: str) -> str:
    """A kubeconfig for the API server at `url`, with the paths of `files_on`."""
    (held,) = (held for held in certificates_on(node) if held.name == program)
    return kubeconfig_of_files(
        url, authority=_authority(program), certificate=held.certificate, key=held.key
    )


def files_on(node: Node, pki: Pki, ca_pem: bytes) -> tuple[GuestFile, ...]:
    """The certificates, their keys, and the authority."""
    of_certificates = (
        file
        for held in certificates_on(node)
        for file in held.files(pki.identity(CLUSTER, identity_name(held.name, node.name)))
    )
    return (
        *of_certificates,
        *(GuestFile(bundle.path, ca_pem) for bundle in trust_on(node)),
    )
