"""Names and paths of the parts of the add-ons."""

from __future__ import annotations

from edge_lab.images import DebianProgram

METRICS = "metrics"
"""The add-on, and the capability of an edge node that serves samples."""

RECEIVER, EXPORTER = "edge-lab-metrics-receiver", "edge-lab-metrics-exporter"
"""The units of the server and of edge nodes, without `.service`."""

OBJECTS, STORE, QUERY = (
    "edge-lab-metrics-objects",
    "edge-lab-metrics-store",
    "edge-lab-metrics-query",
)
SIDECAR = "edge-lab-metrics-sidecar"
"""Thanos' parts: S3 server, store gateway and querier on the server, the sidecar on edge nodes."""

RECEIVER_PORT = 9090
OBJECTS_PORT = 7070
SIDECAR_PORT, STORE_PORT, QUERY_PORT = 10901, 10905, 10904
"""Sidecar and store gateway: gRPC; querier: HTTPS."""
SIDECAR_HTTP, STORE_HTTP = "127.0.0.1:10902", "127.0.0.1:10906"
QUERY_GRPC = "127.0.0.1:10903"
EXPORTER_ADDRESS = "127.0.0.1:9106"

HOME = "/etc/edge-lab-metrics"
"""Configurations, certificates and scripts."""
STATE = "edge-lab-metrics"
"""Folder of the state of all parts, below /var/lib."""
PROMETHEUS_PROGRAM = DebianProgram("prometheus", "usr/bin/prometheus")
THANOS, VERSITYGW = "thanos", "versitygw"
"""Components."""
VMAGENT_PROGRAM = DebianProgram("victoria-metrics", "usr/bin/vmagent")

EXPORTER_PROGRAM, ASK = f"{HOME}/exporter.py", f"{HOME}/ask.py"
BLOCKS = f"{HOME}/blocks.py"
"""Lists the blocks in the object storage (guest/blocks.py)."""

SERVED = f"/var/lib/{STATE}/exporter/served.jsonl"
"""What an edge node has served: the ground truth for views."""

SCRAPE_SECONDS = 2
"""Scrape interval of a sender: an emulated CPU also has to run a node."""

SCRAPES = "edge_lab_scrapes_total"
"""Counts the scrapes of the sender: no two samples have the same value, even after reboots."""
JOB = "edge-lab"
"""The scrape job of a sender."""
UP = f'up{{job="{JOB}"}}'
"""A sender's own report of each scrape: 1 if it got a response, otherwise 0."""
DEVICE_SEQUENCE = "edge_lab_device_sequence"
"""By device, the number of the last step that the node's sampler has read, which can be found in
the device's ground truth."""


def unit(name: str) -> str:
    return f"{name}.service"
