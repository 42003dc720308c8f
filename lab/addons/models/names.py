"""Names, ports and paths of the parts of the add-on."""

from __future__ import annotations

from typing import Final

from edge_lab.images import DebianModules

MODELS = "models"
"""The add-on, and the capability of an edge node that serves models."""
NAMESPACE = "edge-models"
GROUP, VERSION = "models.edge-lab.local", "v1alpha1"
EDGE_MODEL, MODEL_NODE = "edgemodels", "modelnodes"
"""Plurals of the kinds."""

MODEL = "boiler"
"""The model of the lab: it predicts the next value of a boiler."""
REPOSITORY = "models/boiler"

NO_REGION, CLOUD_STAGE = "edge", "cloud"
"""Stages of edge nodes without a region, and of the server."""

AGENT = "edge-lab-models-agent"
SERVER = "edge-lab-models-server"
FEED = "edge-lab-models-feed"
OPERATOR = "edge-lab-models-operator"
READY = "edge-lab-models-serves"

HOME = "/etc/edge-lab-models"
CONFIG = f"{HOME}/config.json"
API_KEYS, OPERATOR_KEYS, TLS_KEYS = f"{HOME}/api", f"{HOME}/operator", f"{HOME}/tls"
"""Folders with certificate, key and authority: for the API server, and for the cloud's server."""
OPERATOR_CONFIG = f"{HOME}/operator.json"
TOOL = "/usr/local/bin/edge-models"
STATE = "edge-lab-models"
FOLDER = f"/var/lib/{STATE}"

PORT = 8510
"""On loopback: the inference server of the node."""
CLOUD_PORT = 8511
"""On the server's link: its inference server, for edge nodes."""
OPERATOR_PORT = 8512
"""On loopback of the server: whether the operator runs."""

RUNTIME: Final = DebianModules(
    "python3-onnxruntime",
    ("onnxruntime", "numpy"),
    leave_out=(
        *(f"onnxruntime/{name}" for name in ("backend", "datasets", "quantization")),
        *(f"onnxruntime/{name}" for name in ("tools", "transformers")),
        *(f"numpy/{name}" for name in ("_pyinstaller", "distutils", "f2py", "random", "testing")),
    ),
)


def unit(name: str) -> str:
    return f"{name}.service"
