"""Credentials and trusted authorities of kube-proxy and CoreDNS, in files of each node."""

from __future__ import annotations

from edge_lab.addons.services.dns import HOME as COREDNS_HOME
from edge_lab.addons.services.names import COREDNS, COREDNS_UNIT, KUBE_PROXY, KUBE_PROXY_UNIT
from edge_lab.addons.services.proxy import HOME as KUBE_PROXY_HOME
from edge_lab.addons.services.upstream import identity_name, program_specs
from edge_lab.addons.tlsfiles import TlsFiles
from edge_lab.pki import CLUSTER, InstalledCertificate, Pki, TrustBundle
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Node

_FILES = {
    KUBE_PROXY: TlsFiles.in_folder(KUBE_PROXY_HOME),
    COREDNS: TlsFiles.in_folder(COREDNS_HOME),
}
_UNITS = {KUBE_PROXY: KUBE_PROXY_UNIT, COREDNS: COREDNS_UNIT}


def certificates_on(node: Node) -> tuple[InstalledCertificate, ...]:
    """The certificates of both programs, if they connect to the API server directly."""
    return tuple(
        _FILES[program].client_certificate(program, node.name, spec, _UNITS[program])
        for program, spec in program_specs(node).items()
    )


def trust_on(node: Node) -> tuple[TrustBundle, ...]:
    """The authority with which both verify the API server."""
    return tuple(paths.trust(node.name, _UNITS[program]) for program, paths in _FILES.items())


def kubeconfig_for(program: str, url: str) -> str:
    """A kubeconfig for the API server at `url`, with the paths of `files_on`."""
    return _FILES[program].kubeconfig(url)


def files_on(node: Node, pki: Pki, ca_pem: bytes) -> tuple[GuestFile, ...]:
    """The certificates, their keys, and the authority."""
    return tuple(
        file
        for program, paths in _FILES.items()
        for file in paths.files(pki.identity(CLUSTER, identity_name(program, node.name)), ca_pem)
    )
