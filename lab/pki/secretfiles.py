"""Files that a component prefers to Secrets of its cluster: so one replaces what it keeps there."""

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
    """One entry of a Secret (DER) as the file (PEM) that its component reads instead, if there is
    one. At its start the component writes the file's content into the Secret."""

    node: str
    domain: TrustDomain
    path: str
    """In the guest. There is no such file unless somebody lays it."""
    namespace: str
    secret: str
    entry: str
    label: str
    """What stands after BEGIN: CERTIFICATE, or the kind of key."""
    mode: int = 0o600

    def read(self, keys: KeyAccess) -> GuestFile:
        """With what the Secret holds; LabError if there is no such Secret."""
        content = keys.secret(self.namespace, self.secret)[self.entry]
        lines = textwrap.wrap(base64.b64encode(content).decode(), PEM_COLUMNS)
        text = [f"-----BEGIN {self.label}-----", *lines, f"-----END {self.label}-----", ""]
        return GuestFile.text(self.path, "\n".join(text), self.mode)


@runtime_checkable
class KeepsSecrets(Protocol):
    """A control plane or an edge runtime that keeps an authority in Secrets, with what it shows."""

    def secret_files(self, topology: Topology) -> tuple[SecretFile, ...]:
        """All of them, on the node of the component."""
        ...
