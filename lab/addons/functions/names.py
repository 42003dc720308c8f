"""Names of the add-on's parts, and their paths on a node."""

from __future__ import annotations

from edge_lab.images import DebianProgram, ImageSpec

FUNCTIONS = "functions"
"""The add-on, and the capability of an edge node whose devices wake functions."""
NAMESPACE = "edge-functions"
"""Namespace of functions in pods."""

PROGRAM = "edge-functions"
"""The component with all parts except the broker."""
NATS = DebianProgram("nats-server", "usr/sbin/nats-server")
IMAGE = "edge-lab.local/functions:0.1.0"
IMAGE_SPEC = ImageSpec(IMAGE, PROGRAM, ("/edge-functions",), program="/edge-functions")

BROKER = "edge-lab-functions-broker"
STREAMS = "edge-lab-functions-streams"
SOURCE = "edge-lab-functions-source"
ACTIVATOR = "edge-lab-functions-activator"
FUNCTION = "edge-lab-functions-process"
"""The unit of the function that runs as a process; the activator starts it."""

CLIENT_PORT, MONITOR_PORT, LEAF_PORT = 4222, 8222, 7422
"""Ports of the broker: two on loopback, the third on the server's link, for edge nodes."""

HOME = "/etc/edge-lab-functions"
STATE = "edge-lab-functions"
"""Folder below /var/lib with the data of all parts."""
PODS = "/run/edge-lab-functions-pods"
"""Folder in which the kubelet finds the static pods of the activator. It is in memory: after a boot
there are none until an event waits, and a full disk does not prevent one."""

CLOUD_DOMAIN = "cloud"
"""JetStream domain of the server; that of an edge node is the node's name."""


def unit(name: str) -> str:
    return f"{name}.service"
