"""The kubelet: the node agent of most stacks, and by itself the runtime without autonomy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from edge_lab.artifacts import Want
from edge_lab.cluster.labels import own_labels
from edge_lab.cluster.objects import Manifest
from edge_lab.core.yamltext import yaml_text
from edge_lab.pki import (
    CLUSTER,
    InstalledAuthority,
    InstalledCertificate,
    LabSigner,
    Request,
    RequestedCertificate,
    TrustBundle,
)
from edge_lab.probes.cloudclient import CloudClient
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.cri import cri_of
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.base import (
    ApiEndpoint,
    Capability,
    EdgeOnly,
    StackContext,
    go_duration,
    wants_for,
)
from edge_lab.stacks.endpoints import KUBELET_PORT, api_clients, kubelet_endpoints
from edge_lab.stacks.identities import (
    kubelet_server,
    kubelet_server_spec,
    node_client,
    node_client_spec,
    node_requests,
)
from edge_lab.stacks.kubeconfig import kubeconfig_of_files
from edge_lab.stacks.node import IMAGES, POD_NETWORK, node_provision
from edge_lab.stacks.unit import Service
from edge_lab.topology import Node, Timing, Topology

KUBELET = "kubelet"
KUBELET_UNIT = "kubelet.service"

CONFIG = "/var/lib/kubelet/config.yaml"
DROP_INS = "/var/lib/kubelet/config.d"
"""Drop-in folder for *.conf files with further settings; the last file with a field wins."""
KUBECONFIG = "/var/lib/kubelet/kubeconfig"
CLUSTER_CA = "/etc/kubernetes/pki/ca.crt"
CLIENT_PEM = "/var/lib/kubelet/pki/kubelet-client-current.pem"
"""Certificate and key in one file, at the kubelet's default path."""
SERVER_CERTIFICATE = "/var/lib/kubelet/pki/kubelet.crt"
SERVER_KEY = "/var/lib/kubelet/pki/kubelet.key"

FOLDERS = ("/var/lib/kubelet", "/var/log/pods", "/var/log/containers")
"""Folders that a kubelet creates on its node."""

NODE_CERTIFICATE, SERVING_CERTIFICATE = "node", "kubelet-serving"
"""Names in faults: the client certificate for the API server, and the serving certificate."""

MAX_PODS = 32
EVICTION: Mapping[str, str] = MappingProxyType(
    {"memory.available": "100Mi", "nodefs.available": "3%"}
)
"""Thresholds below which a node evicts pods."""


class Kubelet(EdgeOnly):
    """Edge runtime `kubelet`: the kubelet connects directly to the API server."""

    name = "kubelet"
    capabilities = frozenset({Capability.EXEC, Capability.RUNTIME_CLASS})
    agents: tuple[str, ...] = (KUBELET_UNIT,)

    def wants(self, topology: Topology) -> tuple[Want, ...]:
        return wants_for(KUBELET, topology.edges)

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return edge_node_requests(topology)

    def provision(self, ctx: StackContext, node: Node, api: ApiEndpoint) -> Provision:
        return kubelet_provision(ctx, node, node_kubeconfig(api))

    def endpoints(self, topology: Topology) -> tuple[Endpoint, ...]:
        return kubelet_endpoints(topology.edges)

    def cloud_clients(self, topology: Topology) -> tuple[CloudClient, ...]:
        return api_clients(topology, KUBELET_UNIT)

    def certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        return edge_certificates(topology, KUBELET_UNIT)

    def trust_bundles(self, topology: Topology) -> tuple[TrustBundle, ...]:
        return edge_trust(topology, (KUBELET_UNIT,))

    def installed_authorities(self, topology: Topology) -> tuple[InstalledAuthority, ...]:
        return ()

    def further_certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        return ()

    def requested_certificates(self, topology: Topology) -> tuple[RequestedCertificate, ...]:
        return ()

    def units(self) -> tuple[str, ...]:
        return (IMAGES + ".service", POD_NETWORK + ".service", KUBELET_UNIT)

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]:
        return ()


def edge_node_requests(topology: Topology) -> tuple[Request, ...]:
    """The identities of the edge nodes' kubelets."""
    return tuple(request for node in topology.edges for request in node_requests(topology, node))


def edge_certificates(topology: Topology, client_unit: str) -> tuple[InstalledCertificate, ...]:
    """Those of the kubelets on edge nodes; `client_unit` as in `kubelet_certificates`."""
    return tuple(
        held
        for node in topology.edges
        for held in kubelet_certificates(topology, node, client_unit)
    )


def edge_trust(topology: Topology, units: tuple[str, ...]) -> tuple[TrustBundle, ...]:
    """The trust bundles of `units` on each edge node; a single file is for the kubelet's clients
    and for the API server."""
    return tuple(TrustBundle(node.name, CLUSTER, CLUSTER_CA, units) for node in topology.edges)


def kubelet_certificates(
    topology: Topology, node: Node, client_unit: str
) -> tuple[InstalledCertificate, ...]:
    """Both certificates of the kubelet on `node`; `client_unit` presents that of the node to the
    API server, and reads it at its start."""
    return (
        InstalledCertificate(
            name=NODE_CERTIFICATE,
            node=node.name,
            spec=node_client_spec(node.name),
            signer=LabSigner(CLUSTER),
            certificate=CLIENT_PEM,
            key=CLIENT_PEM,
            unit=client_unit,
        ),
        InstalledCertificate(
            name=SERVING_CERTIFICATE,
            node=node.name,
            spec=kubelet_server_spec(topology, node),
            signer=LabSigner(CLUSTER),
            certificate=SERVER_CERTIFICATE,
            key=SERVER_KEY,
            unit=KUBELET_UNIT,
            # It reloads the certificate, but presents the new one only to clients that use SNI: the
            # API server connects to nodes by address (kubernetes#133001; also in 1.34).
            shown_at=(topology.cluster_link(node.name).address, KUBELET_PORT),
        ),
    )


def node_kubeconfig(api: ApiEndpoint) -> str:
    """The node's user, as the Node authorizer knows it."""
    return kubeconfig_of_files(
        api.url, authority=CLUSTER_CA, certificate=CLIENT_PEM, key=CLIENT_PEM
    )


def kubelet_provision(
    ctx: StackContext,
    node: Node,
    kubeconfig_text: str,
    *,
    after: tuple[str, ...] = (),
    labels: dict[str, str] | None = None,
) -> Provision:
    """A kubelet on `node`, with its certificates, the pod network and the images.

    `after` are units to start before it; it also runs without them. `labels` are added to those
    of the topology.
    """
    address = ctx.topology.cluster_link(node.name).address
    all_labels = {**own_labels(node), **(labels or {})}
    local = (cri_of(node).unit, f"{IMAGES}.service", f"{POD_NETWORK}.service")
    service = Service(
        name=KUBELET,
        description="Kubernetes kubelet",
        command=(
            str(PAYLOAD_MOUNT / "bin/kubelet"),
            f"--config={CONFIG}",
            f"--config-dir={DROP_INS}",
            f"--kubeconfig={KUBECONFIG}",
            f"--hostname-override={node.name}",
            f"--node-ip={address}",
            f"--node-labels={','.join(f'{k}={v}' for k, v in sorted(all_labels.items()))}",
        ),
        after=(*local, *after),
        wants=(*local, *after),
        before_start=(("/usr/bin/mkdir", "-p", DROP_INS),),
        mounts=(str(PAYLOAD_MOUNT),),
        oom_score_adjust=-999,
        # Containers are not the kubelet's children, but mounts that it is creating are.
        kill_mode="process",
    )
    server = kubelet_server(ctx.pki, node.name)
    files = (
        GuestFile.text(CONFIG, kubelet_config(node, ctx.topology.timing)),
        GuestFile.text(KUBECONFIG, kubeconfig_text, 0o600),
        GuestFile(CLUSTER_CA, ctx.pki.authority(CLUSTER).certificate_pem),
        GuestFile(CLIENT_PEM, node_client(ctx.pki, node.name).combined_pem, 0o600),
        GuestFile(SERVER_CERTIFICATE, server.certificate_pem),
        GuestFile(SERVER_KEY, server.key_pem, 0o600),
    )
    binary = Provision(payload=(ctx.binary(KUBELET, node),), folders=FOLDERS)
    return service.provision(*files) + binary + node_provision(ctx, node)


def kubelet_config(node: Node, timing: Timing) -> str:
    """The KubeletConfiguration (kubelet.config.k8s.io/v1beta1) of `node`, as YAML."""
    config: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": cri_of(node).endpoint,
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        "maxPods": MAX_PODS,
        # Empty, not omitted: pods get no name server unless a drop-in names one.
        "resolvConf": "",
        "registerWithTaints": [
            {"key": taint.key, "value": taint.value, "effect": taint.effect}
            for taint in node.taints
        ],
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": CLUSTER_CA},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": SERVER_CERTIFICATE,
        "tlsPrivateKeyFile": SERVER_KEY,
        "rotateCertificates": False,
        "serverTLSBootstrap": False,
        "nodeStatusUpdateFrequency": go_duration(timing.node_status_update),
        # The default of Kubernetes. If omitted, it would be as short as the line above.
        "nodeStatusReportFrequency": "5m",
        "nodeLeaseDurationSeconds": round(timing.node_lease),
        "evictionHard": dict(EVICTION),
        # The images exist from the start and cannot be pulled again: never remove any.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": True,
        # An emulated machine is slow to start a container, not broken.
        "runtimeRequestTimeout": "5m",
        "makeIPTablesUtilChains": False,
    }
    if not config["registerWithTaints"]:
        del config["registerWithTaints"]
    return yaml_text(config)
