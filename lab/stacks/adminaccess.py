"""The kubeconfig of the host: whom it trusts and what it shows, while a lab runs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from edge_lab.pki import CLUSTER, CertificateSpec, Identity, TrustBundle, TrustForm
from edge_lab.stacks.identities import ADMIN, admin_requests, request_named
from edge_lab.stacks.kubeconfig import with_identity

_BUNDLE = TrustBundle("host", CLUSTER, "kubeconfig", (), TrustForm.KUBECONFIG)


@dataclass(frozen=True)
class AdminAccess:
    """Rewrites the file in one go: whoever reads it finds the former one or the new one, and the
    lab's client opens it anew when it is another."""

    kubeconfig: Path

    @property
    def spec(self) -> CertificateSpec:
        """What stands in the administrator's certificate."""
        return request_named(admin_requests(), ADMIN).spec

    def show(self, identity: Identity) -> None:
        self._write(with_identity(self.kubeconfig.read_bytes(), identity))

    def show_original(self) -> None:
        """What it has shown first."""
        if self._original.exists():
            trusted = _BUNDLE.authorities(self.kubeconfig.read_bytes())
            pem = [one.public_bytes(Encoding.PEM) for one in trusted]
            self._write(_BUNDLE.trusting(self._original.read_bytes(), pem))

    def trust(self, authorities: Iterable[bytes]) -> None:
        """These certificates (PEM), and no others."""
        self._write(_BUNDLE.trusting(self.kubeconfig.read_bytes(), authorities))

    def reset(self) -> None:
        """As it was before it was first rewritten."""
        if self._original.exists():
            self._original.replace(self.kubeconfig)

    @property
    def _original(self) -> Path:
        return self.kubeconfig.with_name(f"{self.kubeconfig.name}.original")

    def _write(self, content: bytes) -> None:
        if content == self.kubeconfig.read_bytes():
            return
        if not self._original.exists():
            self._replace(self._original, self.kubeconfig.read_bytes())
        self._replace(self.kubeconfig, content)

    def _replace(self, path: Path, content: bytes) -> None:
        # mkstemp opens with 0600: a key is in it.
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".kubeconfig-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(draft).replace(path)
