"""kubeconfig files, all in one piece: certificates and keys are in them."""

from __future__ import annotations

import base64
from typing import Any

from edge_lab.core.yamltext import yaml_text
from edge_lab.pki import Identity


def kubeconfig(url: str, *, ca_pem: bytes = b"", identity: Identity | None = None) -> str:
    """A kubeconfig for the API server at `url`.

    Without `ca_pem` the system's authorities count, which suits a plain http `url` only;
    without `identity` the caller is nobody in particular.
    """
    cluster: dict[str, Any] = {"server": url}
    user: dict[str, Any] = {}
    if ca_pem:
        cluster["certificate-authority-data"] = _base64(ca_pem)
    if identity is not None:
        user["client-certificate-data"] = _base64(identity.certificate_pem)
        user["client-key-data"] = _base64(identity.key_pem)
    return yaml_text(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "user"}}],
            "current-context": "lab",
        }
    )


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
