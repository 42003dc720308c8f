"""What every node with pods needs: a pod network and the lab's images."""

from __future__ import annotations

import hashlib
import json
from ipaddress import IPv4Network

from edge_lab.provisioning.provision import GuestFile, PayloadFile, Provision
from edge_lab.stacks.base import StackContext
from edge_lab.stacks.unit import Service
from edge_lab.topology import Node, Topology

CONFIG = "/etc/edge-lab"
"""The folder of the lab's files in a guest."""

CNI_CONFIG = "/etc/cni/net.d/10-edge-lab.conflist"
CNI_RESULTS = "/var/lib/cni/results"
"""Where the container runtime keeps the results of the pod network, a file for each pod."""
CNI_RULE = "/etc/tmpfiles.d/60-edge-lab-cni.conf"
CNI_RULE_TEXT = f"""\
# After a loss of power, what the kernel had not written is an empty file, and the network of its
# pod can never be destroyed: https://github.com/containernetworking/cni/issues/1055
R! {CNI_RESULTS}
"""
"""For systemd-tmpfiles: the results are removed at boot, since no network of a pod outlives one."""
POD_CHAIN = "EDGE-LAB-PODS"
POD_BRIDGE = "cni0"

IMAGE_ARCHIVE = "images/edge-lab.tar"
"""Of the payload."""

IMPORTED = "/var/lib/edge-lab/imported"
"""The folder where the unit `IMAGES` records what it has imported."""

POD_NETWORK = "edge-lab-pod-network"
IMAGES = "edge-lab-images"
"""A unit of the root image, enabled there: imports the archives in images/ of the payload."""


def node_provision(ctx: StackContext, node: Node) -> Provision:
    """Pod network and images for `node`."""
    return pod_network(ctx.topology, node) + images(ctx, node)


# -- Pod network ---------------------------------------------------------------------------


def pod_network(topology: Topology, node: Node) -> Provision:
    """A bridge with the node's pod addresses; masquerading if there is no route back.

    Pods of different nodes see each other's addresses, since each machine has routes to the pods of
    the others. Devices have no routes to pods: packets of pods to them, or to any other address
    outside the pod subnet, have the node's address.
    """
    cidr = topology.pod_cidr(node.name)
    rules = f"{CONFIG}/pod-network.rules"
    service = Service(
        name=POD_NETWORK,
        description="Masquerading for the pod network",
        command=("/usr/sbin/iptables-restore", "--noflush", rules),
        kind="oneshot",
        before_start=(
            # A second start must not add the jump twice.
            ("-/usr/sbin/iptables", "-w", "-t", "nat", "-D", "POSTROUTING", "-j", POD_CHAIN),
        ),
    )
    undone = Provision(
        folders=("/var/lib/cni", "/run/edge-lab"),
        undo=(
            f"iptables -w -t nat -D POSTROUTING -j {POD_CHAIN}",
            f"iptables -w -t nat -F {POD_CHAIN}",
            f"iptables -w -t nat -X {POD_CHAIN}",
            # The pods' ends first: the kernel takes its time to remove a network namespace.
            f"ip -o link show master {POD_BRIDGE} | sed 's/^[0-9]*: \\([^@:]*\\).*/\\1/' | "
            "xargs -r -n 1 ip link delete",
            f"ip link delete {POD_BRIDGE}",
        ),
    )
    return undone + service.provision(
        GuestFile.text(CNI_CONFIG, bridge_config(cidr)),
        GuestFile.text(CNI_RULE, CNI_RULE_TEXT),
        GuestFile.text(rules, masquerade_rules(topology, node)),
    )


def bridge_config(cidr: IPv4Network) -> str:
    """The CNI configuration list of a node whose pods are in `cidr`."""
    plugin = {
        "type": "bridge",
        "bridge": POD_BRIDGE,
        "isGateway": True,
        # So that a pod also reaches itself by the address of its Service.
        "hairpinMode": True,
        # The plugin's masquerading would also hide the addresses of pods from other nodes.
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            # Below /run, so that a loss of power also clears the addresses of pods that are
            # gone.
            "dataDir": "/run/edge-lab/cni",
            "ranges": [[{"subnet": str(cidr)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    config = {"cniVersion": "1.0.0", "name": "edge-lab", "plugins": [plugin]}
    return json.dumps(config, indent=2) + "\n"


def masquerade_rules(topology: Topology, node: Node) -> str:
    """For iptables-restore: packets of pods that leave over links get the node's address."""
    cidr = topology.pod_cidr(node.name)
    lines = [
        "*nat",
        f":{POD_CHAIN} - [0:0]",
        f"-A POSTROUTING -j {POD_CHAIN}",
        f"-A {POD_CHAIN} ! -s {cidr} -j RETURN",
        f"-A {POD_CHAIN} -d {topology.pod_subnet} -j RETURN",
        *(
            f"-A {POD_CHAIN} -o {topology.nic(link)} -j MASQUERADE"
            for link in topology.links_of(node.name)
        ),
        "COMMIT",
    ]
    return "\n".join(lines) + "\n"


# -- Images --------------------------------------------------------------------------------


def images(ctx: StackContext, node: Node) -> Provision:
    """The archive of container images. The unit `IMAGES` of the root image imports it: nodes do not
    pull images."""
    path = ctx.container_images.archives[node.arch]
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    payload = PayloadFile(IMAGE_ARCHIVE, path, digest, executable=False)
    return Provision(payload=(payload,), folders=(IMPORTED,))
