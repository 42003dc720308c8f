"""Certificate signing requests in the API server."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CertificateRequest:
    """One certificates.k8s.io/v1 CertificateSigningRequest."""

    name: str
    username: str
    """The user as which the API server authenticated the sender."""
    groups: tuple[str, ...]
    signer: str
    usages: tuple[str, ...]
    request_pem: bytes

    @classmethod
    def from_object(cls, item: Mapping[str, Any]) -> CertificateRequest:
        spec = item["spec"]
        return cls(
            name=item["metadata"]["name"],
            username=spec.get("username", ""),
            groups=tuple(spec.get("groups", ())),
            signer=spec["signerName"],
            usages=tuple(spec.get("usages", ())),
            request_pem=base64.b64decode(spec["request"]),
        )
