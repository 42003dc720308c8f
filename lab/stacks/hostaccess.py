"""Kubeconfigs of the host: their trusted authorities and client certificates in a running lab.

The lab's client reloads the lab's own. Another process of the lab with a kubeconfig (kwok of a
fleet) keeps it below the run directory, gets its path by `--kubeconfig=`, restarts when the content
has changed, and then marks it as loaded."""

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
    """Replaces the file atomically, so that readers find either the old or the new one; the lab's
    client reloads it when it has changed."""

    kubeconfig: Path

    @property
    def spec(self) -> CertificateSpec:
        """The user and groups in its client certificate."""
        shown = identity_of(self.kubeconfig.read_bytes()).certificate.subject
        name, *_ = shown.get_attributes_for_oid(NameOID.COMMON_NAME)
        groups = shown.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        return CertificateSpec(str(name.value), tuple(str(group.value) for group in groups))

    @property
    def is_original(self) -> bool:
        """Whether it is unchanged."""
        return not self._original.exists()

    def show(self, identity: Identity) -> None:
        self._write(with_identity(self.kubeconfig.read_bytes(), identity))

    def show_original(self) -> None:
        """Restores the original client certificate."""
        if self._original.exists():
            trusted = _BUNDLE.authorities(self.kubeconfig.read_bytes())
            pem = [certificate.public_bytes(Encoding.PEM) for certificate in trusted]
            self._write(_BUNDLE.trusting(self._original.read_bytes(), pem))

    def trust(self, authorities: Iterable[bytes]) -> None:
        """Trusts these authorities (PEM) and no others."""
        self._write(_BUNDLE.trusting(self.kubeconfig.read_bytes(), authorities))

    def reset(self) -> None:
        """Restores the original file."""
        if self._original.exists():
            self._original.replace(self.kubeconfig)

    def mark_taken(self, content: bytes) -> None:
        """Records that the process which reads it now uses that content."""
        self._replace(self._taken, _digest(content))

    @property
    def is_taken(self) -> bool:
        """Whether that process uses the current content."""
        try:
            return self._taken.read_bytes() == _digest(self.kubeconfig.read_bytes())
        except FileNotFoundError:
            return False

    def remove(self) -> None:
        """Removes it, and the files beside it."""
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
        # mkstemp creates it with mode 0600: it contains a key.
        descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=".kubeconfig-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(draft).replace(path)


def host_kubeconfigs(run: Path) -> tuple[Path, ...]:
    """The kubeconfigs of the lab's running processes, without the lab's own."""
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
