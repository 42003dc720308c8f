"""Edge runtime `kubeedge`: edgecore on the edge nodes, cloudcore beside the control plane.

edgecore contains a kubelet and stores its objects in SQLite, so that a node continues while it is
offline, even after a reboot. It never connects to the API server: all messages go over one
WebSocket to cloudcore. Certificates are issued by KubeEdge's procedure: cloudcore creates an
authority and a token; edgecore requests a certificate with the token, and renews it.

Names and paths are those of KubeEdge v1.23 (api/apis/componentconfig of its source).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

import yaml

from edge_lab.artifacts import Want, host_arch
from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.cluster.labels import own_labels
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.rbac import binding_manifest, role_manifest
from edge_lab.core.deadline import Deadline
from edge_lab.core.step import step
from edge_lab.core.yamltext import yaml_text
from edge_lab.images.oci import PAUSE
from edge_lab.pki import (
    CLUSTER,
    CertificateSpec,
    IdentityRequest,
    InstalledAuthority,
    InstalledCertificate,
    Request,
    RequestedCertificate,
    SecretFile,
    Signer,
    TrustBundle,
    TrustDomain,
)
from edge_lab.probes.cloudclient import CloudClient
from edge_lab.probes.endpoint import Endpoint
from edge_lab.probes.joining import Joining
from edge_lab.provisioning.cri import cri_of
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.base import (
    ApiEndpoint,
    Capability,
    StackContext,
    go_duration,
    wants_for,
)
from edge_lab.stacks.endpoints import (
    JOIN_ENDPOINT,
    KUBEEDGE_DOMAIN,
    cloudcore_endpoints,
    edgecore_endpoints,
    hub_clients,
)
from edge_lab.stacks.kubeedge_authority import NAMESPACE, TOKEN_SECRET, join_token
from edge_lab.stacks.kubeedge_certificate import CloudcoreSigner, edgecore_certificates
from edge_lab.stacks.kubeedge_join import join_endpoints
from edge_lab.stacks.kubeedge_trust import (
    cloudcore_access,
    cloudcore_certificates,
    kubeedge_authorities,
    kubeedge_secret_files,
    kubeedge_trust,
)
from edge_lab.stacks.kubelet import EVICTION, MAX_PODS
from edge_lab.stacks.node import IMAGES, POD_NETWORK, node_provision
from edge_lab.stacks.unit import Service
from edge_lab.topology import Node, Timing, Topology

CLOUDCORE, EDGECORE, CRDS = "cloudcore", "edgecore", "kubeedge-crds"
CLOUDCORE_UNIT, EDGECORE_UNIT = "cloudcore.service", "edgecore.service"

HUB_PORT, JOIN_PORT = 10_000, 10_002
"""Ports for the WebSocket of nodes (mutual TLS), and for their certificate requests (HTTPS)."""

HOME = "/etc/kubeedge"
DMI_SOCKET = f"{HOME}/dmi.sock"
CLOUD_CONFIG = f"{HOME}/config/cloudcore.yaml"
CLOUD_KUBECONFIG = f"{HOME}/cloudcore.kubeconfig"
EDGE_CONFIG = f"{HOME}/config/edgecore.yaml"
BOOTSTRAP_TOKEN = f"{HOME}/bootstrap-edgecore.conf"
"""The token for edgecore, which needs it only while it has no certificate."""

CLOUDCORE_USER = "edge-lab:cloudcore"
"""The user of cloudcore at the API server, and the name of its role."""
CLOUDCORE_CLIENT = CertificateSpec(CLOUDCORE_USER)

CLOUDCORE_STATE = "kubeedge"
"""The folder of cloudcore below /var/lib."""
ALLOWED = f"/var/lib/{CLOUDCORE_STATE}/allowed"
"""cloudcore starts when this file exists, since without its permissions it panics."""

CLOUDCORE_MEMORY_MIB = 160
"""Soft limit of its Go heap; about twice what was seen."""


class KubeEdge:
    """edgecore, with cloudcore on the server node."""

    name = "kubeedge"
    # No EXEC: logs and exec go through cloudcore's stream, which is disabled by default.
    capabilities = frozenset({Capability.AUTONOMY, Capability.OFFLINE_REBOOT})
    agents: tuple[str, ...] = (EDGECORE_UNIT,)
    dmi_socket = DMI_SOCKET
    signers: Mapping[TrustDomain, Signer] = MappingProxyType({KUBEEDGE_DOMAIN: CloudcoreSigner()})

    def wants(self, topology: Topology) -> tuple[Want, ...]:
        return (
            *wants_for(EDGECORE, topology.edges),
            Want(CLOUDCORE, topology.server.arch),
            custom_resources_want(),
        )

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        # Edge nodes get theirs from cloudcore, which uses this one for the API server.
        return (IdentityRequest(CLUSTER, CLOUDCORE, CLOUDCORE_CLIENT),)

    # -- Edge nodes ------------------------------------------------------------------------

    def provision(self, ctx: StackContext, node: Node, api: ApiEndpoint) -> Provision:
        local = (cri_of(node).unit, f"{IMAGES}.service", f"{POD_NETWORK}.service")
        service = Service(
            name=EDGECORE,
            description="KubeEdge edgecore",
            command=(str(PAYLOAD_MOUNT / "bin" / EDGECORE), f"--config={EDGE_CONFIG}"),
            after=local,
            wants=local,
            mounts=(str(PAYLOAD_MOUNT),),
            oom_score_adjust=-999,
            # Containers are not its children, but mounts that it is creating are.
            kill_mode="process",
        )
        # edgecore writes its version into the file, so it is neither readable by others nor shared.
        config = GuestFile.text(EDGE_CONFIG, edgecore_config(ctx.topology, node), 0o600)
        binary = Provision(payload=(ctx.binary(EDGECORE, node),))
        return service.provision(config) + binary + node_provision(ctx, node)

    def endpoints(self, topology: Topology) -> tuple[Endpoint, ...]:
        return (
            *cloudcore_endpoints(topology.server, hub=HUB_PORT, join=JOIN_PORT),
            *edgecore_endpoints(topology.edges),
        )

    def cloud_clients(self, topology: Topology) -> tuple[CloudClient, ...]:
        return hub_clients(topology, EDGECORE_UNIT, HUB_PORT)

    def certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        return edgecore_certificates(topology, EDGECORE_UNIT)

    def trust_bundles(self, topology: Topology) -> tuple[TrustBundle, ...]:
        return kubeedge_trust(topology, cloudcore=CLOUDCORE_UNIT, edgecore=EDGECORE_UNIT)

    def installed_authorities(self, topology: Topology) -> tuple[InstalledAuthority, ...]:
        return kubeedge_authorities(topology, CLOUDCORE_UNIT)

    def further_certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        return cloudcore_certificates(topology, CLOUDCORE_UNIT, CLOUDCORE_CLIENT)

    def requested_certificates(self, topology: Topology) -> tuple[RequestedCertificate, ...]:
        """None: edgecore's certificate has files, which are replaced."""
        return ()

    def secret_files(self, topology: Topology) -> tuple[SecretFile, ...]:
        return kubeedge_secret_files(topology)

    def join_token(self, cluster: ClusterAccess, deadline: Deadline) -> str:
        return join_token(cluster.kubectl, deadline)

    def join_endpoints(self, joining: Joining) -> tuple[Endpoint, ...]:
        (endpoint,) = (
            endpoint
            for endpoint in self.endpoints(joining.topology)
            if endpoint.name == JOIN_ENDPOINT
        )
        return join_endpoints(endpoint, joining)

    def units(self) -> tuple[str, ...]:
        return (IMAGES + ".service", POD_NETWORK + ".service", EDGECORE_UNIT)

    # -- Cloud side ------------------------------------------------------------------------

    def server_provision(self, ctx: StackContext, api: ApiEndpoint) -> Provision:
        service = Service(
            name=CLOUDCORE,
            description="KubeEdge cloudcore",
            command=(str(PAYLOAD_MOUNT / "bin" / CLOUDCORE), f"--config={CLOUD_CONFIG}"),
            after=(api.unit,),
            wants=(api.unit,),
            environment={"GOMEMLIMIT": f"{CLOUDCORE_MEMORY_MIB}MiB"},
            before_start=(("/bin/sh", "-c", f"until test -e {ALLOWED}; do sleep 1; done"),),
            mounts=(str(PAYLOAD_MOUNT),),
            state_directory=CLOUDCORE_STATE,
            oom_score_adjust=-997,
        )
        config = GuestFile.text(CLOUD_CONFIG, cloudcore_config(ctx.topology), 0o600)
        files = (config, *cloudcore_access(ctx.pki, CLOUDCORE, CLOUD_KUBECONFIG))
        binary = Provision(payload=(ctx.binary(CLOUDCORE, ctx.topology.server),))
        return service.provision(*files) + binary

    def server_units(self) -> tuple[str, ...]:
        return (CLOUDCORE_UNIT,)

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]:
        return (
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            *custom_resources(ctx),
            *cloudcore_rights(),
        )

    def admission(self, cluster: ClusterAccess, deadline: Deadline) -> tuple[GuestFile, ...]:
        """The token, when cloudcore has created it; lets cloudcore start, since its role exists."""
        kubectl = cluster.kubectl
        server = cluster.machines[cluster.topology.server.name]
        # systemd would create the folder only when it starts cloudcore.
        folder = str(PurePosixPath(ALLOWED).parent)
        server.run(f"install -d -m 0700 {folder} && touch {ALLOWED}", deadline)
        with step("token of cloudcore"):
            secret = deadline.wait_for(
                "cloudcore has created the join token",
                lambda: kubectl.find("secret", TOKEN_SECRET, "-n", NAMESPACE, deadline=deadline),
                every=1.0,
                transient=NOT_YET,
                watch=cluster.watch,
            )
        token = base64.b64decode(secret["data"]["tokendata"])
        return (GuestFile(BOOTSTRAP_TOKEN, token, 0o600),)


def edgecore_config(topology: Topology, node: Node) -> str:
    """The EdgeCore configuration (edgecore.config.kubeedge.io/v1alpha2) of `node`, as YAML.

    All other settings have edgecore's defaults.
    """
    server = topology.cluster_link(topology.server.name).address
    modules: dict[str, Any] = {
        "edged": {
            "enable": True,
            "hostnameOverride": node.name,
            "nodeIP": str(topology.cluster_link(node.name).address),
            "nodeLabels": own_labels(node),
            "podSandboxImage": PAUSE,
            "tailoredKubeletConfig": kubelet_part(node, topology.timing),
        },
        "edgeHub": {
            "enable": True,
            "heartbeat": heartbeat(topology.timing),
            "httpServer": f"https://{server}:{JOIN_PORT}",
            "websocket": {"enable": True, "server": f"{server}:{HUB_PORT}"},
            "quic": {"enable": False},
        },
        "deviceTwin": {"enable": True, "dmiSockPath": f"{HOME}/"},
        "metaManager": {"enable": True, "metaServer": {"enable": False}},
        # It would need an MQTT broker on the node; mappers of the lab use DMI.
        "eventBus": {"enable": False},
        # Idle without the add-on node-jobs.
        "taskManager": {"enable": True},
    }
    return _document("edgecore.config.kubeedge.io/v1alpha2", "EdgeCore", {"modules": modules})


def kubelet_part(node: Node, timing: Timing) -> dict[str, Any]:
    """The lab's settings for the kubelet inside edgecore: the same as for other runtimes."""
    config: dict[str, Any] = {
        "containerRuntimeEndpoint": cri_of(node).endpoint,
        "imageServiceEndpoint": cri_of(node).endpoint,
        "cgroupDriver": "cgroupfs",
        "maxPods": MAX_PODS,
        "resolvConf": "",
        "nodeStatusUpdateFrequency": go_duration(timing.node_status_update),
        "nodeLeaseDurationSeconds": round(timing.node_lease),
        "evictionHard": dict(EVICTION),
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "runtimeRequestTimeout": "5m",
        "makeIPTablesUtilChains": False,
    }
    if node.taints:
        config["registerWithTaints"] = [
            {"key": taint.key, "value": taint.value, "effect": taint.effect}
            for taint in node.taints
        ]
    return config


def heartbeat(timing: Timing) -> int:
    """Seconds between keepalives of a node; cloudcore disconnects it after two missing ones."""
    return max(1, round(timing.edge_heartbeat))


def cloudcore_config(topology: Topology) -> str:
    """The CloudCore configuration (cloudcore.config.kubeedge.io/v1alpha1), as YAML."""
    address = str(topology.cluster_link(topology.server.name).address)
    modules: dict[str, Any] = {
        "cloudHub": {
            "enable": True,
            "advertiseAddress": [address],
            "dnsNames": [topology.server.name],
            "nodeLimit": 32,
            "keepaliveInterval": 2 * heartbeat(topology.timing),
            "websocket": {"enable": True, "address": "0.0.0.0", "port": HUB_PORT},
            "https": {"enable": True, "address": "0.0.0.0", "port": JOIN_PORT},
            "quic": {"enable": False},
        },
        "cloudStream": {"enable": False},
        "dynamicController": {"enable": False},
        # Idle without the add-on node-jobs.
        "taskManager": {"enable": True},
        "router": {"enable": False},
        # It would create firewall rules for the stream, which is disabled.
        "iptablesManager": {"enable": False},
    }
    return _document(
        "cloudcore.config.kubeedge.io/v1alpha1",
        "CloudCore",
        {"kubeAPIConfig": {"kubeConfig": CLOUD_KUBECONFIG}, "modules": modules},
    )


def custom_resources_want() -> Want:
    """The component that contains the custom resource definitions."""
    return Want(CRDS, host_arch())


def custom_resources(ctx: StackContext) -> tuple[Manifest, ...]:
    """KubeEdge's CustomResourceDefinitions."""
    text = ctx.artifact(CRDS, host_arch()).path.read_text(encoding="utf-8")
    return tuple(document for document in yaml.safe_load_all(text) if document)


def cloudcore_rights() -> tuple[Manifest, ...]:
    """The permissions of cloudcore: on behalf of the nodes, and for KubeEdge's objects."""
    read = ["get", "list", "watch"]
    write = [*read, "create", "update", "patch", "delete"]
    groups = ("devices", "reliablesyncs", "rules", "operations", "policy", "apps")
    rules: list[dict[str, Any]] = [
        {"apiGroups": [f"{group}.kubeedge.io"], "resources": ["*"], "verbs": write}
        for group in groups
    ]
    rules += [
        {
            "apiGroups": [""],
            "resources": ["nodes", "nodes/status", "pods", "pods/status", "configmaps"],
            "verbs": write,
        },
        {
            "apiGroups": [""],
            "resources": [
                "secrets",
                "services",
                "endpoints",
                "serviceaccounts/token",
                "persistentvolumes",
                "persistentvolumeclaims",
            ],
            "verbs": [*read, "create", "update"],
        },
        {
            "apiGroups": [""],
            "resources": ["namespaces", "serviceaccounts"],
            "verbs": [*read, "create"],
        },
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "update", "patch"]},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": write},
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "verbs": read,
        },
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": read},
        {
            "apiGroups": ["certificates.k8s.io"],
            "resources": ["certificatesigningrequests"],
            "verbs": [*read, "create"],
        },
    ]
    return (
        role_manifest(CLOUDCORE_USER, rules),
        binding_manifest(CLOUDCORE_USER, CLOUDCORE_USER, [CLOUDCORE_USER], subject_kind="User"),
    )


def _document(api: str, kind: str, content: dict[str, Any]) -> str:
    return yaml_text({"apiVersion": api, "kind": kind, **content})
