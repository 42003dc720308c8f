"""What the parts of the add-ons call each other, and where on a node they lie."""

from __future__ import annotations

from edge_lab.images import DebianProgram

METRICS = "metrics"
"""The add-on, and the capability of an edge node that serves samples."""

RECEIVER, EXPORTER = "edge-lab-metrics-receiver", "edge-lab-metrics-exporter"
"""The units of the server and of edge nodes, without `.service`."""

RECEIVER_PORT = 9090
EXPORTER_ADDRESS = "127.0.0.1:9106"

HOME = "/etc/edge-lab-metrics"
"""Configurations, certificates and scripts."""
STATE = "edge-lab-metrics"
"""Folder of all that the parts keep, below /var/lib."""
PROMETHEUS_PROGRAM = DebianProgram("prometheus", "usr/bin/prometheus")
VMAGENT_PROGRAM = DebianProgram("victoria-metrics", "usr/bin/vmagent")

EXPORTER_PROGRAM, ASK = f"{HOME}/exporter.py", f"{HOME}/ask.py"

SERVED = f"/var/lib/{STATE}/exporter/served.jsonl"
"""What an edge node has served: the truth against which a global view is judged."""

SCRAPE_SECONDS = 2
"""Between two scrapes of a sender: an emulated CPU has a node to run beside."""

SCRAPES = "edge_lab_scrapes_total"
"""The sender's own scrapes, counted: no two samples have the same value, over reboots too."""
DEVICE_SEQUENCE = "edge_lab_device_sequence"
"""By device, the number of the last step that the node's sampler has read; it is in the device's
ground truth."""

CA, CERTIFICATE, KEY = "ca.crt", "tls.crt", "tls.key"
"""Below `HOME`."""


def unit(name: str) -> str:
    return f"{name}.service"
