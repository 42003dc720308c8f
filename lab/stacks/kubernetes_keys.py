"""Keys, certificates and trust bundles of the control plane `kubernetes`, with their paths."""

from __future__ import annotations

from edge_lab.pki import (
    CLUSTER,
    InstalledAuthority,
    InstalledCertificate,
    LabSigner,
    Pki,
    TrustBundle,
)
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks import identities as names
from edge_lab.stacks.base import API_PORT
from edge_lab.stacks.kubelet import CLUSTER_CA, KUBELET_UNIT, kubelet_certificates
from edge_lab.stacks.kubernetes_programs import (
    API_SERVER,
    API_SERVES_UNIT,
    CONTROLLER_MANAGER,
    PKI,
    SCHEDULER,
    SIGNER,
    SIGNER_KEY,
)
from edge_lab.topology import Topology

API_SERVER_UNIT = f"{API_SERVER}.service"
CONTROLLER_MANAGER_UNIT = f"{CONTROLLER_MANAGER}.service"
SCHEDULER_UNIT = f"{SCHEDULER}.service"


def control_plane_certificates(topology: Topology) -> tuple[InstalledCertificate, ...]:
    """Certificates whose use can be observed: those of the API server and of its node."""
    server = topology.server
    api_server = InstalledCertificate(
        name="api-server",
        node=server.name,
        spec=names.api_server_spec(topology),
        signer=LabSigner(CLUSTER),
        certificate=f"{PKI}/apiserver.crt",
        key=f"{PKI}/apiserver.key",
        unit=API_SERVER_UNIT,
        reloads=True,
        shown_at=(topology.cluster_link(server.name).address, API_PORT),
    )
    return (api_server, *kubelet_certificates(topology, server, KUBELET_UNIT))


def further_control_plane_certificates(topology: Topology) -> tuple[InstalledCertificate, ...]:
    """The client certificates of the API server for kubelets, and of its clients on its node. The
    audit log omits those clients, since they send requests all the time."""
    requests = names.control_plane_requests(topology)
    return tuple(
        InstalledCertificate(
            name=file,
            node=topology.server.name,
            spec=names.request_named(requests, identity).spec,
            signer=LabSigner(CLUSTER),
            certificate=f"{PKI}/{file}.crt",
            key=f"{PKI}/{file}.key",
            unit=unit,
        )
        for file, identity, unit in (
            ("apiserver-kubelet-client", names.API_SERVER_KUBELET_CLIENT, API_SERVER_UNIT),
            (CONTROLLER_MANAGER, names.CONTROLLER_MANAGER, CONTROLLER_MANAGER_UNIT),
            (SCHEDULER, names.SCHEDULER, SCHEDULER_UNIT),
        )
    )


def control_plane_trust(topology: Topology) -> tuple[TrustBundle, ...]:
    """A single file: for clients of the API server and of its node's kubelet, for the kubelets that
    it connects to, for service accounts, and for its clients on its node."""
    # Its clients start when it serves: it may fail to start together with them.
    units = (
        API_SERVER_UNIT,
        API_SERVES_UNIT,
        CONTROLLER_MANAGER_UNIT,
        SCHEDULER_UNIT,
        KUBELET_UNIT,
    )
    return (TrustBundle(topology.server.name, CLUSTER, CLUSTER_CA, units),)


def control_plane_signers(topology: Topology) -> tuple[InstalledAuthority, ...]:
    """The controller manager signs the requests of nodes."""
    node = topology.server.name
    return (InstalledAuthority(node, CLUSTER, SIGNER, SIGNER_KEY, CONTROLLER_MANAGER_UNIT),)


def control_plane_keys(pki: Pki) -> Provision:
    """All files except those of its kubelet."""
    shown = {
        "signer": pki.authority(CLUSTER).identity,
        "apiserver": pki.identity(CLUSTER, names.API_SERVER),
        "apiserver-kubelet-client": pki.identity(CLUSTER, names.API_SERVER_KUBELET_CLIENT),
        CONTROLLER_MANAGER: pki.identity(CLUSTER, names.CONTROLLER_MANAGER),
        SCHEDULER: pki.identity(CLUSTER, names.SCHEDULER),
    }
    secret = {f"{name}.key": identity.key_pem for name, identity in shown.items()}
    public = {f"{name}.crt": identity.certificate_pem for name, identity in shown.items()}
    secret["service-account.key"] = pki.signing_key(CLUSTER, names.SERVICE_ACCOUNT)
    public["service-account.pub"] = pki.verification_key(CLUSTER, names.SERVICE_ACCOUNT)
    return Provision(
        files=(
            *(GuestFile(f"{PKI}/{name}", text, 0o600) for name, text in secret.items()),
            *(GuestFile(f"{PKI}/{name}", text) for name, text in public.items()),
        )
    )
