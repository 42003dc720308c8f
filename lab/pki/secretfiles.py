"""Files that a component prefers to Secrets of its cluster, used to replace the Secrets."""

from __future__ import annotations

import base64
import textwrap
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edge_lab.pki.requests import TrustDomain
from edge_lab.pki.signing import KeyAccess
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Topology

PEM_COLUMNS = 64


@dataclass(frozen=True)
class SecretFile:
    """An entry of a Secret (DER), as a file (PEM) that its component reads instead if it exists. At
    its start the component writes the file's content into the Secret."""

    node: str
    domain: TrustDomain
    path: str
    """Path in the guest. The file does not exist unless the lab creates it."""
    namespace: str
    secret: str
    entry: str
    label: str
    """The PEM label: CERTIFICATE, or the type of key."""
    mode: int = 0o600

    def read(self, keys: KeyAccess) -> GuestFile:
        """The file with the Secret's content; LabError if there is no such Secret."""
        content = keys.secret(self.namespace, self.secret)[self.entry]
        lines = textwrap.wrap(base64.b64encode(content).decode(), PEM_COLUMNS)
        text = [f"-----BEGIN {self.label}-----", *lines, f"-----END {self.label}-----", ""]
        return GuestFile.text(self.path, "\n".join(text), self.mode)


@runtime_checkable
class KeepsSecrets(Protocol):
    """A control plane or an edge runtime that keeps an authority and certificates in Secrets."""

    def secret_files(self, topology: Topology) -> tuple[SecretFile, ...]:
        """All such files, on the node of the component."""
        ...
