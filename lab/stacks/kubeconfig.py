"""kubeconfig files, with embedded certificates and keys, or with their paths."""

from __future__ import annotations

import base64
from typing import Any

from edge_lab.core.yamltext import yaml_document, yaml_text
from edge_lab.pki import Identity


def kubeconfig(url: str, *, ca_pem: bytes = b"", identity: Identity | None = None) -> str:
    """A kubeconfig for the API server at `url`.

    Without `ca_pem` the system's authorities are trusted, which suits only a plain http `url`;
    without `identity` the client is anonymous.
    """
    cluster: dict[str, Any] = {"server": url}
    user = _shown(identity) if identity is not None else {}
    if ca_pem:
        cluster["certificate-authority-data"] = _base64(ca_pem)
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


def kubeconfig_of_files(url: str, *, authority: str, certificate: str, key: str) -> str:
    """A kubeconfig with the paths of a certificate, its key and the authority, so that each can be
    replaced in one place."""
    document = yaml_document(kubeconfig(url))
    document["clusters"][0]["cluster"]["certificate-authority"] = authority
    document["users"][0]["user"] = {"client-certificate": certificate, "client-key": key}
    return yaml_text(document)


def with_identity(content: bytes, identity: Identity) -> bytes:
    """That kubeconfig, with `identity` for each user."""
    document = yaml_document(content.decode())
    for entry in document["users"]:
        entry["user"] = _shown(identity)
    return yaml_text(document).encode()


def identity_of(content: bytes) -> Identity:
    """The embedded certificate and key of the user of that kubeconfig."""
    user = yaml_document(content.decode())["users"][0]["user"]
    return Identity(
        base64.b64decode(user["client-certificate-data"]), base64.b64decode(user["client-key-data"])
    )


def _shown(identity: Identity) -> dict[str, Any]:
    return {
        "client-certificate-data": _base64(identity.certificate_pem),
        "client-key-data": _base64(identity.key_pem),
    }


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
