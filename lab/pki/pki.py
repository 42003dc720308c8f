"""All keys and certificates of a lab, in one folder that only its owner can read.

    <folder>/<trust domain>/ca.{crt,key}
    <folder>/<trust domain>/<identity>.{crt,key}
    <folder>/<trust domain>/<signing key>.{key,pub}

The parts of the lab request them: control plane, edge runtime, devices, add-ons. They are created
once and then read, so that a lab that is restored from a checkpoint has the keys of its guests.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edge_lab.core.errors import LabError
from edge_lab.pki.authority import (
    Authority,
    Identity,
    KeyKind,
    key_pem,
    new_key,
    public_key_pem,
)
from edge_lab.pki.requests import (
    AuthorityRequest,
    IdentityRequest,
    Request,
    SigningKeyRequest,
    TrustDomain,
)

CLUSTER = TrustDomain("cluster", "edge-lab cluster CA")
"""Signs for the API server, its clients and the kubelets."""
DEVICES = TrustDomain("device", "edge-lab device CA", KeyKind.RSA)
"""Signs for OPC UA servers and their clients."""


@dataclass(frozen=True)
class Pki:
    """The lab's certificates, read from `folder` on demand."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, requests: Iterable[Request]) -> Pki:
        """Creates the requested keys below `folder`, and the authority of each trust domain.

        Raises:
            LabError: there are keys already (use `load`), two requests of one name differ, or
                the folder cannot be written.
        """
        pki = cls(folder)
        by_name = _distinct(requests)
        domains = _distinct_domains(by_name.values())
        if any((folder / domain.name).exists() for domain in domains):
            raise LabError(
                f"{folder} already contains the keys of a lab",
                remedy="Run `lab down` to remove that lab and its keys.",
            )
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
            for domain in domains:
                authority = Authority.create(
                    domain.common_name, domain.key, intermediates=domain.intermediates
                )
                pki._store(domain, "ca", authority.identity)
        except OSError as trouble:
            raise _cannot_write(folder, trouble) from trouble
        pki.add(by_name.values())
        return pki

    @classmethod
    def load(cls, folder: Path) -> Pki:
        """The certificates that `create` made in `folder`; LabError if there are none."""
        pki = cls(folder)
        pki.authority(CLUSTER)
        return pki

    def add(self, requests: Iterable[Request]) -> None:
        """Creates the requested keys, in trust domains that have an authority already.

        Replaces an identity of the same name, to rotate its certificate.

        Raises:
            LabError: a trust domain has no authority, or the folder cannot be written.
        """
        authorities: dict[TrustDomain, Authority] = {}
        try:
            for request in requests:
                if isinstance(request, AuthorityRequest):
                    continue
                if isinstance(request, SigningKeyRequest):
                    signing = new_key(KeyKind.EC)
                    self._write(request.domain, f"{request.name}.key", key_pem(signing))
                    self._write(request.domain, f"{request.name}.pub", public_key_pem(signing))
                    continue
                authority = authorities.get(request.domain)
                if authority is None:
                    authority = authorities[request.domain] = self.authority(request.domain)
                self._store(request.domain, request.name, authority.issue(request.spec))
        except OSError as trouble:
            raise _cannot_write(self.folder, trouble) from trouble

    # -- Reading -------------------------------------------------------------------------

    def authority(self, domain: TrustDomain) -> Authority:
        """The authority of that trust domain; LabError if nothing was requested in it."""
        return Authority(self.identity(domain, "ca"))

    def identity(self, domain: TrustDomain, name: str) -> Identity:
        """A certificate and its key; LabError if it was not requested."""
        return Identity(self._read(domain, f"{name}.crt"), self._read(domain, f"{name}.key"))

    def identity_paths(self, domain: TrustDomain, name: str) -> tuple[Path, Path]:
        """Certificate and key file of one identity, for processes that need paths."""
        room = self.folder / domain.name
        return room / f"{name}.crt", room / f"{name}.key"

    def signing_key(self, domain: TrustDomain, name: str) -> bytes:
        """PEM of the private key of a SigningKeyRequest; LabError if it was not requested."""
        return self._read(domain, f"{name}.key")

    def verification_key(self, domain: TrustDomain, name: str) -> bytes:
        """PEM of the public key of a SigningKeyRequest; LabError if it was not requested."""
        return self._read(domain, f"{name}.pub")

    # -- Files ---------------------------------------------------------------------------

    def _store(self, domain: TrustDomain, name: str, identity: Identity) -> None:
        self._write(domain, f"{name}.key", identity.key_pem)
        self._write(domain, f"{name}.crt", identity.certificate_pem)

    def _write(self, domain: TrustDomain, name: str, content: bytes) -> None:
        room = self.folder / domain.name
        room.mkdir(exist_ok=True, mode=0o700)
        # mkstemp creates it with mode 0600, so that a key is never readable by others.
        descriptor, temporary = tempfile.mkstemp(dir=room, prefix=".new-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(room / name)

    def _read(self, domain: TrustDomain, name: str) -> bytes:
        path = self.folder / domain.name / name
        try:
            return path.read_bytes()
        except OSError as trouble:
            raise LabError(
                f"cannot read {path}, a certificate or key of the lab: {trouble.strerror}",
                remedy="It is created by `lab up` for the nodes, devices and add-ons of "
                "the topology; after a change of the topology run `lab down`, then `lab up`.",
            ) from trouble


def _distinct(requests: Iterable[Request]) -> dict[tuple[str, str], Request]:
    """The requests by trust domain and name, without duplicates."""
    found: dict[tuple[str, str], Request] = {}
    for request in requests:
        key = (request.domain.name, request.name)
        if found.setdefault(key, request) != request:
            raise LabError(
                f"two parts of the lab request different identities {request.name!r} in the trust "
                f"domain {request.domain.name!r}"
            )
    return found


def _distinct_domains(requests: Iterable[Request]) -> tuple[TrustDomain, ...]:
    found: dict[str, TrustDomain] = {}
    for request in requests:
        domain = request.domain
        if found.setdefault(domain.name, domain) != domain:
            raise LabError(f"two parts of the lab request different trust domains {domain.name!r}")
    return tuple(found.values())


def _cannot_write(folder: Path, trouble: OSError) -> LabError:
    return LabError(f"cannot write keys to {folder}: {trouble.strerror}")


__all__ = ["CLUSTER", "DEVICES", "IdentityRequest", "Pki"]
