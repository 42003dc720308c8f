"""Which parts of KubeEdge trust which authority, and in which files, to replace the authorities.

Only cloudcore, as a client of the API server, uses the cluster's authority. cloudcore's authority
(trust domain `kubeedge`) is used between cloudcore and edge nodes. By the source of KubeEdge v1.23:

- cloudcore keeps certificate and key of its authority in the Secret `casecret`, and its serving
  certificate in `cloudcoresecret`. It prefers files at fixed paths, reads them only at its start,
  and writes them into the Secrets (cloud/pkg/cloudhub/config, servers/httpserver/pre_server.go).
  So the lab replaces files, which are first created from the Secrets.
- It uses a single certificate of the authority, both to sign and to verify edge nodes
  (createTLSConfig in cloud/pkg/cloudhub/servers/server.go, verifyCert of its port 10002).
- edgecore reads its trust bundle and its certificate for each connection to port 10000 and each
  renewal (edge/pkg/edgehub/clients/wsclient, certificate/certmanager.go), and trusts all
  certificates in the file. Open connections are not verified again, so edgecore is restarted.
"""

from __future__ import annotations

from collections.abc import Iterator

from edge_lab.pki import (
    CLUSTER,
    CertificateSpec,
    InstalledAuthority,
    InstalledCertificate,
    LabSigner,
    Pki,
    SecretFile,
    TrustBundle,
    Usage,
)
from edge_lab.provisioning.provision import GuestFile
from edge_lab.stacks.base import API_PORT
from edge_lab.stacks.endpoints import KUBEEDGE_DOMAIN
from edge_lab.stacks.kubeconfig import kubeconfig_of_files
from edge_lab.stacks.kubeedge_authority import NAMESPACE, SECRET
from edge_lab.stacks.kubeedge_certificate import CERTIFICATE, KEY, CloudcoreSigner
from edge_lab.topology import Topology

ROOT, ROOT_KEY = "/etc/kubeedge/ca/rootCA.crt", "/etc/kubeedge/ca/rootCA.key"
"""On edge nodes only the first, from the time they join; on the server node while the authority
is being replaced."""
CLOUDCORE_SECRET = "cloudcoresecret"  # noqa: S105 - its name

API = "/etc/kubeedge/api"
API_CA, API_CERTIFICATE, API_KEY = f"{API}/ca.crt", f"{API}/client.crt", f"{API}/client.key"
"""The authority by which cloudcore verifies the API server, and its client certificate."""


def cloudcore_server_spec(topology: Topology) -> CertificateSpec:
    """The same as cloudcore creates (createCertsToSecret)."""
    server = topology.server.name
    return CertificateSpec(
        "KubeEdge",
        organizations=("KubeEdge",),
        dns_names=(server,),
        addresses=(topology.cluster_link(server).address,),
        usages=(Usage.SERVER,),
    )


def cloudcore_access(pki: Pki, identity: str, path: str) -> tuple[GuestFile, ...]:
    """cloudcore's kubeconfig at `path`, and the files that it refers to."""
    client = pki.identity(CLUSTER, identity)
    access = kubeconfig_of_files(
        f"https://127.0.0.1:{API_PORT}", authority=API_CA, certificate=API_CERTIFICATE, key=API_KEY
    )
    return (
        GuestFile.text(path, access, 0o600),
        GuestFile(API_CA, pki.authority(CLUSTER).certificate_pem),
        GuestFile(API_CERTIFICATE, client.certificate_pem),
        GuestFile(API_KEY, client.key_pem, 0o600),
    )


def kubeedge_trust(topology: Topology, *, cloudcore: str, edgecore: str) -> tuple[TrustBundle, ...]:
    """`cloudcore` and `edgecore` are the names of the units."""
    return (
        TrustBundle(topology.server.name, CLUSTER, API_CA, (cloudcore,)),
        *(TrustBundle(node.name, KUBEEDGE_DOMAIN, ROOT, (edgecore,)) for node in topology.edges),
    )


def kubeedge_authorities(topology: Topology, cloudcore: str) -> tuple[InstalledAuthority, ...]:
    return (
        InstalledAuthority(
            topology.server.name,
            KUBEEDGE_DOMAIN,
            ROOT,
            ROOT_KEY,
            cloudcore,
            # x509PrivateKeyWrap of pkg/security/certs accepts no other format.
            sec1=True,
            is_all_that_is_trusted=True,
        ),
    )


def cloudcore_certificates(
    topology: Topology, unit: str, client: CertificateSpec
) -> tuple[InstalledCertificate, ...]:
    """cloudcore's certificates for the API server (`client`), and for edge nodes."""
    server = topology.server.name
    return (
        InstalledCertificate(
            name="cloudcore",
            node=server,
            spec=client,
            signer=LabSigner(CLUSTER),
            certificate=API_CERTIFICATE,
            key=API_KEY,
            unit=unit,
        ),
        InstalledCertificate(
            name="cloudcore-serving",
            node=server,
            spec=cloudcore_server_spec(topology),
            signer=CloudcoreSigner(),
            certificate=CERTIFICATE,
            key=KEY,
            unit=unit,
        ),
    )


def kubeedge_secret_files(topology: Topology) -> tuple[SecretFile, ...]:
    return tuple(_secret_files(topology.server.name))


def _secret_files(server: str) -> Iterator[SecretFile]:
    for path, secret, entry, label in (
        (ROOT_KEY, SECRET, "cakeydata", "EC PRIVATE KEY"),
        (ROOT, SECRET, "cadata", "CERTIFICATE"),
        (KEY, CLOUDCORE_SECRET, "cloudcorekeydata", "EC PRIVATE KEY"),
        (CERTIFICATE, CLOUDCORE_SECRET, "cloudcoredata", "CERTIFICATE"),
    ):
        yield SecretFile(server, KUBEEDGE_DOMAIN, path, NAMESPACE, secret, entry, label)
