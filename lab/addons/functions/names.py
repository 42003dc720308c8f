"""What the parts of the add-on call each other, and where on a node they lie."""

from __future__ import annotations

from edge_lab.images import DebianProgram, ImageSpec

FUNCTIONS = "functions"
"""The add-on, and the capability of an edge node whose devices wake functions."""
NAMESPACE = "edge-functions"
"""Of pods that are functions."""

PROGRAM = "edge-functions"
"""The component: all but the broker."""
NATS = DebianProgram("nats-server", "usr/sbin/nats-server")
IMAGE = "edge-lab.local/functions:0.1.0"
IMAGE_SPEC = ImageSpec(IMAGE, PROGRAM, ("/edge-functions",), program="/edge-functions")

BROKER = "edge-lab-functions-broker"
STREAMS = "edge-lab-functions-streams"
SOURCE = "edge-lab-functions-source"
ACTIVATOR = "edge-lab-functions-activator"
FUNCTION = "edge-lab-functions-process"
"""The unit that is a function itself; it is started when there is something to do."""

CLIENT_PORT, MONITOR_PORT, LEAF_PORT = 4222, 8222, 7422
"""Of the broker: the first two on loopback, the third on the server's wire, for edge nodes."""

HOME = "/etc/edge-lab-functions"
STATE = "edge-lab-functions"
"""Folder of all that the parts keep, below /var/lib."""
PODS = "/run/edge-lab-functions-pods"
"""Where the kubelet looks for pods that the activator wants. In memory: after a boot there are
none until something is owed, and a full disk does not stand in the way."""

CLOUD_DOMAIN = "cloud"
"""JetStream's domain of the server; that of an edge node is its name."""

CA, CERTIFICATE, KEY = "ca.crt", "tls.crt", "tls.key"
"""Below `HOME`."""


def unit(name: str) -> str:
    return f"{name}.service"
