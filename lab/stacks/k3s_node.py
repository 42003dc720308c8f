"""Common to all K3s nodes, server or agent: settings of the kubelet, runtime, and join token.

Paths, keys and files are those of K3s 1.34 (docs.k3s.io, and pkg/ of its source).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_lab.cluster.labels import own_labels
from edge_lab.core.yamltext import yaml_document, yaml_text
from edge_lab.pki import CLUSTER, Pki
from edge_lab.provisioning.cri import cri_of
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, PayloadFile, Provision
from edge_lab.stacks.base import StackContext
from edge_lab.stacks.kubelet import kubelet_config
from edge_lab.stacks.node import (
    IMAGE_ARCHIVE,
    IMAGES,
    POD_NETWORK,
    node_provision,
)
from edge_lab.stacks.unit import Service
from edge_lab.topology import Node, Timing

K3S, AIRGAP_IMAGES = "k3s", "k3s-airgap-images"
PROGRAM = str(PAYLOAD_MOUNT / "bin" / K3S)

CONFIG = "/etc/rancher/k3s/config.yaml"
"""Its keys are the names of the flags."""
DATA = "/var/lib/rancher/k3s"
KUBELET_DROP_IN = f"{DATA}/agent/etc/kubelet.conf.d/50-edge-lab.conf"
"""K3s writes 00-k3s-defaults.conf beside it; the file whose name sorts last takes precedence."""
IMPORTED = f"{DATA}/agent/images"
"""The embedded containerd imports all archives in this folder."""

_OF_K3S = (
    "authentication",
    "authorization",
    "containerRuntimeEndpoint",
    "rotateCertificates",
    "serverTLSBootstrap",
    "tlsCertFile",
    "tlsPrivateKeyFile",
)
"""Settings of a kubelet that K3s makes itself."""
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
"""The first bytes of a Zstandard frame (RFC 8878)."""


@dataclass(frozen=True)
class K3sNode:
    """A K3s process and its runtime.

    `embedded` uses the containerd of K3s, with its images from the air-gap archive. The lab
    observes only the node's own runtime (`cri_of`), so observers and checkpoints do not see the
    pods of such a node: use it only to try K3s as it is shipped.
    """

    node: Node
    role: str
    """server or agent."""
    unit_name: str
    embedded: bool = False

    def config(self, ctx: StackContext) -> dict[str, Any]:
        """The part of config.yaml that server and agent have in common."""
        labels = own_labels(self.node)
        common: dict[str, Any] = {
            "node-name": self.node.name,
            "node-ip": str(ctx.topology.cluster_link(self.node.name).address),
            "node-label": [f"{key}={value}" for key, value in sorted(labels.items())],
        }
        if not self.embedded:
            common["container-runtime-endpoint"] = cri_of(self.node).endpoint
        return common

    def service(
        self,
        environment: Mapping[str, str],
        environment_file: str = "",
        archives: tuple[PayloadFile, ...] = (),
    ) -> Service:
        """The unit, similar to that of K3s' installer."""
        local = (cri_of(self.node).unit, f"{IMAGES}.service", f"{POD_NETWORK}.service")
        return Service(
            name=self.unit_name,
            description=f"K3s {self.role}",
            command=(PROGRAM, self.role, f"--config={CONFIG}"),
            # An agent reports ready only when it has reached its server, and a node that boots
            # while offline must not wait for that; K3s' installer does the same.
            kind="notify" if self.role == "server" else "exec",
            after=local,
            wants=local,
            before_start=self._before_start(archives),
            environment=environment,
            environment_file=environment_file,
            mounts=(str(PAYLOAD_MOUNT),),
            oom_score_adjust=-998,
            # Containers must outlive it, and so must mounts that its kubelet is creating.
            kill_mode="process",
            delegate=True,
            unlimited=True,
        )

    def provision(
        self,
        ctx: StackContext,
        config: Mapping[str, Any],
        environment: Mapping[str, str],
        *files: GuestFile,
        environment_file: str = "",
    ) -> Provision:
        """Unit, configuration and program, with the pod network and the lab's images."""
        archives = self._archives(ctx)
        service = self.service(environment, environment_file, archives)
        text = yaml_text(dict(config))
        drop_in = kubelet_drop_in(self.node, ctx.topology.timing, self.embedded)
        own = (
            GuestFile.text(CONFIG, text, 0o600),
            GuestFile.text(KUBELET_DROP_IN, drop_in),
        )
        payload = Provision(payload=(ctx.binary(K3S, self.node), *archives))
        return service.provision(*own, *files) + payload + node_provision(ctx, self.node)

    def _archives(self, ctx: StackContext) -> tuple[PayloadFile, ...]:
        """K3s' images for the embedded containerd; K3s recognizes the format by the file name."""
        if not self.embedded:
            return ()
        artifact = ctx.artifact(AIRGAP_IMAGES, self.node.arch)
        with artifact.path.open("rb") as file:
            ending = "tar.zst" if file.read(len(_ZSTANDARD)) == _ZSTANDARD else "tar"
        name = f"k3s-images/{AIRGAP_IMAGES}.{ending}"
        return (PayloadFile(name, artifact.path, artifact.sha256, executable=False),)

    def _before_start(self, archives: tuple[PayloadFile, ...]) -> tuple[tuple[str, ...], ...]:
        """Links by which the embedded containerd finds images and CNI plugins."""
        if not self.embedded:
            return ()
        images = [str(PAYLOAD_MOUNT / archive.path) for archive in archives]
        images.append(str(PAYLOAD_MOUNT / IMAGE_ARCHIVE))
        return (
            ("/usr/bin/mkdir", "-p", IMPORTED, "/opt/cni"),
            ("/usr/bin/ln", "-sf", *images, IMPORTED),
            # Without flannel K3s uses containerd's default path, which differs from Debian's.
            ("/usr/bin/ln", "-sfn", "/usr/lib/cni", "/opt/cni/bin"),
        )


def kubelet_drop_in(node: Node, timing: Timing, embedded: bool) -> str:
    """The lab's kubelet settings (the same as for other runtimes) over those of K3s, as YAML.

    K3s' eviction thresholds lack memory.available, and there is no flag for the lease.
    """
    config: dict[str, Any] = yaml_document(kubelet_config(node, timing))
    for key in _OF_K3S:
        del config[key]
    if embedded:
        del config["cgroupDriver"]  # K3s and its containerd agree on one
    # K3s would name a server that is disabled here; a later drop-in may name another one.
    config["clusterDNS"] = []
    return yaml_text(config)


def secret(pki: Pki, purpose: str) -> str:
    """A password of this lab (hex), derived from a key that never leaves its server node."""
    key = pki.authority(CLUSTER).identity.key_pem
    return hmac.new(key, f"edge-lab k3s {purpose}".encode(), hashlib.sha256).hexdigest()


def agent_token(pki: Pki) -> str:
    """The token of agents: it does not permit joining as a server, and names the authority.

    The format is K10<SHA-256 of the file server-ca.crt>::<user>:<password>
    (pkg/clientaccess/token.go); an agent refuses servers of any other authority.
    """
    digest = hashlib.sha256(pki.authority(CLUSTER).certificate_pem).hexdigest()
    return f"K10{digest}::node:{secret(pki, 'agent')}"
