"""Kubeconfigs of the host: whom they trust and what they show, while a lab runs.

The lab's own is read anew by its client. Another process of the lab that has one (kwok of a fleet)
keeps it below the run directory, is told of it by `--kubeconfig=`, and begins anew when its content
has changed; it marks what it has taken."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from edge_lab.core.process import processes_of
from edge_lab.pki import CLUSTER, CertificateSpec, Identity, TrustBundle, TrustForm
from edge_lab.stacks.kubeconfig import identity_of, with_identity

_BUNDLE = TrustBundle("host", CLUSTER, "kubeconfig", (), TrustForm.KUBECONFIG)


@dataclass(frozen=True)
class HostAccess:
    """Rewrites the file in one go: whoever reads it finds the former one or the new one, and the
    lab's client opens it anew when it is another."""

    kubeconfig: Path

    @property
    def spec(self) -> CertificateSpec:
        """What stands in the certificate that it shows: who that is, and in which groups."""
        shown = identity_of(self.kubeconfig.read_bytes()).certificate.subject
        name, *_ = shown.get_attributes_for_oid(NameOID.COMMON_NAME)
        groups = shown.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        return CertificateSpec(str(name.value), tuple(str(group.value) for group in groups))

    @property
    def is_original(self) -> bool:
        """Whether it is as it was first."""
        return not self._original.exists()

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

    def mark_taken(self, content: bytes) -> None:
        """That the process which reads it goes by that content now."""
        self._replace(self._taken, _digest(content))

    @property
    def is_taken(self) -> bool:
        """Whether that process goes by what stands in it now."""
        try:
            return self._taken.read_bytes() == _digest(self.kubeconfig.read_bytes())
        except FileNotFoundError:
            return False

    def remove(self) -> None:
        """It, and all that lies beside it."""
        for path in (self.kubeconfig, self._original, self._taken):
            path.unlink(missing_ok=True)

    @property
    def _taken(self) -> Path:
        return self.kubeconfig.with_name(f"{self.kubeconfig.name}.taken")

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


def host_kubeconfigs(run: Path) -> tuple[Path, ...]:
    """Those of the lab's processes that run now, but for the lab's own."""
    option = "--kubeconfig="
    found = (
        Path(word.removeprefix(option))
        for process in processes_of(run)
        for word in process.command.split()
        if word.startswith(option)
    )
    return tuple(sorted({path for path in found if path.parent.parent == run and path.is_file()}))


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
