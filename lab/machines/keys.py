"""SSH keys of one lab: one for the client, one host key per machine.

They are created once per run directory and stay there.  The guests of a checkpoint run with
their keys, so the checkpoint contains a copy of the folder, which is restored first.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)


@dataclass(frozen=True)
class SshKey:
    """An ed25519 key in OpenSSH's formats. `public` is one line without a comment."""

    private: bytes
    public: str


@dataclass(frozen=True)
class LabKeys:
    """The SSH keys in `folder` (RunDir.keys)."""

    folder: Path

    @property
    def client_path(self) -> Path:
        return self.folder / "ssh"

    @property
    def client(self) -> SshKey:
        """The client's key: root on every machine of the lab accepts it."""
        return _load_or_make(self.client_path)

    def host(self, node: str) -> SshKey:
        """The host key of the machine `node`."""
        return _load_or_make(self.folder / f"ssh-host-{node}")


def _load_or_make(path: Path) -> SshKey:
    try:
        private = path.read_bytes()
    except FileNotFoundError:
        private = Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
        )
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Created atomically, and never readable by others.
        draft = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as sink:
            sink.write(private)
        draft.replace(path)
    public = load_ssh_private_key(private, None).public_key()
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return SshKey(private, line)
