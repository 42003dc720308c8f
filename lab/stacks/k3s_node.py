"""What every K3s node is given, server or agent: its kubelet's settings, runtime, and join token.

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
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, PayloadFile, Provision
from edge_lab.stacks.base import StackContext
from edge_lab.stacks.kubelet import kubelet_config
from edge_lab.stacks.node import (
    CONTAINERD_SOCKET,
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
"""Its keys are the flags' names."""
DATA = "/var/lib/rancher/k3s"
KUBELET_DROP_IN = f"{DATA}/agent/etc/kubelet.conf.d/50-edge-lab.conf"
"""K3s writes 00-k3s-defaults.conf beside it; of two files the later name has the last word."""
IMPORTED = f"{DATA}/agent/images"
"""The embedded containerd imports each archive that lies here."""

_OF_K3S = (
    "authentication",
    "authorization",
    "containerRuntimeEndpoint",
    "rotateCertificates",
    "serverTLSBootstrap",
    "tlsCertFile",
    "tlsPrivateKeyFile",
)
"""Settings of a kubelet that K3s sees to by itself."""
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
"""How a Zstandard frame begins (RFC 8878)."""


@dataclass(frozen=True)
class K3sNode:
    """One K3s process and what it stands on.

    `embedded` takes the containerd that K3s brings, with its own images from the air-gap
    archive. The lab looks into Debian's, so that observers and checkpoints see nothing of
    the pods of such a node: it is for a look at K3s as it ships.
    """

    node: Node
    role: str
    """server or agent."""
    unit_name: str
    embedded: bool = False

    def config(self, ctx: StackContext) -> dict[str, Any]:
        """Of config.yaml what server and agent have in common."""
        labels = own_labels(self.node)
        common: dict[str, Any] = {
            "node-name": self.node.name,
            "node-ip": str(ctx.topology.cluster_link(self.node.name).address),
            "node-label": [f"{key}={value}" for key, value in sorted(labels.items())],
        }
        if not self.embedded:
            common["container-runtime-endpoint"] = CONTAINERD_SOCKET
        return common

    def service(
        self,
        environment: Mapping[str, str],
        environment_file: str = "",
        archives: tuple[PayloadFile, ...] = (),
    ) -> Service:
        """The unit, much as K3s' own installer writes it."""
        local = ("containerd.service", f"{IMAGES}.service", f"{POD_NETWORK}.service")
        return Service(
            name=self.unit_name,
            description=f"K3s {self.role}",
            command=(PROGRAM, self.role, f"--config={CONFIG}"),
            # An agent reports itself ready only when it has reached its server, which a node
            # that boots while offline must not wait for; K3s' installer has it so, too.
            kind="notify" if self.role == "server" else "exec",
            after=local,
            wants=local,
            before_start=self._before_start(archives),
            environment=environment,
            environment_file=environment_file,
            mounts=(str(PAYLOAD_MOUNT),),
            oom_score_adjust=-998,
            # Containers must outlive it, and so must mounts that its kubelet is making.
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
        """Unit, configuration and program; the pod network and the lab's images too."""
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
        """K3s' own images, for the embedded containerd; K3s tells what a file is by its name."""
        if not self.embedded:
            return ()
        artifact = ctx.artifact(AIRGAP_IMAGES, self.node.arch)
        with artifact.path.open("rb") as file:
            ending = "tar.zst" if file.read(len(_ZSTANDARD)) == _ZSTANDARD else "tar"
        name = f"k3s-images/{AIRGAP_IMAGES}.{ending}"
        return (PayloadFile(name, artifact.path, artifact.sha256, executable=False),)

    def _before_start(self, archives: tuple[PayloadFile, ...]) -> tuple[tuple[str, ...], ...]:
        """Links that let the embedded containerd find images and CNI plugins."""
        if not self.embedded:
            return ()
        images = [str(PAYLOAD_MOUNT / each.path) for each in archives]
        images.append(str(PAYLOAD_MOUNT / IMAGE_ARCHIVE))
        return (
            ("/usr/bin/mkdir", "-p", IMPORTED, "/opt/cni"),
            ("/usr/bin/ln", "-sf", *images, IMPORTED),
            # Without flannel K3s leaves containerd's own default, and Debian has them elsewhere.
            ("/usr/bin/ln", "-sfn", "/usr/lib/cni", "/opt/cni/bin"),
        )


def kubelet_drop_in(node: Node, timing: Timing, embedded: bool) -> str:
    """The lab's kubelet settings (those of every other runtime) over K3s' own, as YAML.

    K3s' own eviction thresholds lack memory.available, and the lease has no flag.
    """
    config: dict[str, Any] = yaml_document(kubelet_config(node, timing))
    for key in _OF_K3S:
        del config[key]
    if embedded:
        del config["cgroupDriver"]  # K3s and its containerd agree on one
    # K3s would name a server that it has been told not to start; a later drop-in may name one.
    config["clusterDNS"] = []
    return yaml_text(config)


def secret(pki: Pki, purpose: str) -> str:
    """A password of this lab (hex), made from a key that never leaves its server node."""
    key = pki.authority(CLUSTER).identity.key_pem
    return hmac.new(key, f"edge-lab k3s {purpose}".encode(), hashlib.sha256).hexdigest()


def agent_token(pki: Pki) -> str:
    """What an agent joins with: it lets nobody join as a server, and names the authority.

    The format is K10<SHA-256 of server-ca.crt as it lies on disk>::<user>:<password>
    (pkg/clientaccess/token.go); an agent refuses a server of any other authority.
    """
    digest = hashlib.sha256(pki.authority(CLUSTER).certificate_pem).hexdigest()
    return f"K10{digest}::node:{secret(pki, 'agent')}"
