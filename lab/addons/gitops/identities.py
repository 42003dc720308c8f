"""Identities of the reader and the author at the Git server, with their own authority; and those of
the controllers at the API server."""

from __future__ import annotations

import base64

from edge_lab.addons.gitops.names import (
    GIT_SECRET,
    KUSTOMIZE_CONTROLLER,
    KUSTOMIZE_UNIT,
    NAMESPACE,
    SOURCE_CONTROLLER,
    SOURCE_UNIT,
)
from edge_lab.addons.gitops.place import Place
from edge_lab.addons.tlsfiles import serving_spec
from edge_lab.cluster.objects import Manifest
from edge_lab.pki import (
    CLUSTER,
    CertificateSpec,
    IdentityRequest,
    InstalledCertificate,
    Pki,
    Request,
    TrustBundle,
    TrustDomain,
)
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Topology

GIT_DOMAIN = TrustDomain("git", "edge-lab git")

SERVER, READER, AUTHOR = "git-server", "git-reader", "git-author"
"""Identities of the domain: the server, source-controller, and the author."""

READER_NAME, AUTHOR_NAME = "edge-lab:git:reader", "edge-lab:git:author"
READER_SPEC, AUTHOR_SPEC = CertificateSpec(READER_NAME), CertificateSpec(AUTHOR_NAME)

CONTROLLERS = {SOURCE_CONTROLLER: SOURCE_UNIT, KUSTOMIZE_CONTROLLER: KUSTOMIZE_UNIT}


def server_spec(address: str) -> CertificateSpec:
    return serving_spec("edge-lab:git:server", address)


def controller_spec(controller: str) -> CertificateSpec:
    """Its identity at the API server."""
    return CertificateSpec(f"edge-lab:{controller}")


def gitops_requests(address: str) -> tuple[Request, ...]:
    """`address` is the Git server's."""
    return (
        IdentityRequest(GIT_DOMAIN, SERVER, server_spec(address)),
        IdentityRequest(GIT_DOMAIN, READER, READER_SPEC),
        IdentityRequest(GIT_DOMAIN, AUTHOR, AUTHOR_SPEC),
        *(IdentityRequest(CLUSTER, name, controller_spec(name)) for name in CONTROLLERS),
    )


def key_files(place: Place, pki: Pki) -> tuple[GuestFile, ...]:
    """Certificates and keys of the server node's parts. The reader's is only in the cluster."""
    found = [
        GuestFile(place.authority, pki.authority(GIT_DOMAIN).certificate_pem),
        GuestFile(place.cluster_authority, pki.authority(CLUSTER).certificate_pem),
    ]
    held = [(GIT_DOMAIN, who) for who in (SERVER, AUTHOR)] + [(CLUSTER, who) for who in CONTROLLERS]
    for domain, who in held:
        identity = pki.identity(domain, who)
        found += [
            GuestFile(place.certificate(who), identity.certificate_pem),
            GuestFile(place.key(who), identity.key_pem, 0o600),
        ]
    return tuple(found)


def reader_secret(pki: Pki) -> Manifest:
    """The Secret with which source-controller reads."""
    identity = pki.identity(GIT_DOMAIN, READER)
    content = {
        "ca.crt": pki.authority(GIT_DOMAIN).certificate_pem,
        "tls.crt": identity.certificate_pem,
        "tls.key": identity.key_pem,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": GIT_SECRET, "namespace": NAMESPACE},
        "type": "Opaque",
        "data": {key: base64.b64encode(value).decode() for key, value in content.items()},
    }


def certificates_on(topology: Topology, place: Place) -> tuple[InstalledCertificate, ...]:
    """The certificates that the controllers present to the API server."""
    return tuple(
        place.controller_keys(name).client_certificate(
            name, topology.server.name, controller_spec(name), unit
        )
        for name, unit in CONTROLLERS.items()
    )


def trust_on(topology: Topology, place: Place) -> tuple[TrustBundle, ...]:
    """The authority with which they verify it."""
    units = tuple(CONTROLLERS.values())
    return (TrustBundle(topology.server.name, CLUSTER, place.cluster_authority, units),)
