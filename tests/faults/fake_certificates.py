"""A cluster whose certificates are replaced, on machines that are a few lines of Python."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.faults.families.certificate.injector import CertificateInjector
from edge_lab.faults.families.certificate.sight import Sight, fingerprint
from edge_lab.faults.kinds import ReplaceCertificate
from edge_lab.pki import Authority, InstalledCertificate, KeyAccess, Pki
from edge_lab.pki.authority import load_key
from edge_lab.provisioning.provision import GuestFile
from tests.faults.plans import TOPOLOGY
from tests.looks import looks

SERVER = "server"


@dataclass(frozen=True)
class FakeKeys:
    """The lab's keys, and the secrets of its cluster."""

    pki: Pki
    secrets: Mapping[tuple[str, str], Mapping[str, bytes]] = field(default_factory=dict)

    def secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        if (namespace, name) not in self.secrets:
            raise LabError(f"the cluster has no Secret {namespace}/{name}")
        return self.secrets[namespace, name]


def secret_of(authority: Authority) -> dict[str, bytes]:
    """As cloudcore keeps its own: DER, the key in SEC 1."""
    key = load_key(authority.identity.key_pem)
    return {
        "cadata": authority.certificate.public_bytes(serialization.Encoding.DER),
        "cakeydata": key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
    }


def limit(seconds: float) -> Deadline:
    return looks(seconds)


@dataclass
class FakeCluster:
    """Nodes with files, and peers that have seen what they show."""

    installed: tuple[InstalledCertificate, ...]
    keys: KeyAccess
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    restarted: list[str] = field(default_factory=list)
    audit: list[str] = field(default_factory=list)
    journal: list[tuple[str, float, str]] = field(default_factory=list)
    """By node; with the time of each line, seconds since 1970."""
    started: dict[tuple[str, str], float] = field(default_factory=dict)
    """When each unit of a node was started last."""
    obeys: bool = True
    """Files are taken, and units shown again; else nothing is taken from them."""

    def taken(self, node: str, unit: str) -> None:
        """What is written down of a client that begins anew."""
        self.started[node, unit] = time.time()
        for held in self.installed:
            if held.node == node and held.unit == unit and held.shown_at is None:
                shown = self.certificate_of(held)
                if held.log is not None:
                    self.met_by_cloudcore(held)
                elif self.trusts(held, shown):
                    # As of Kubernetes 1.34, with the fields that count.
                    known = f"X509SHA256={fingerprint(shown)}"
                    event = {
                        "user": {"extra": {"authentication.kubernetes.io/credential-id": [known]}},
                        "requestReceivedTimestamp": datetime.now(UTC).strftime(
                            "%Y-%m-%dT%H:%M:%S.%fZ"
                        ),
                    }
                    self.audit.append(json.dumps(event, separators=(",", ":")))
                else:
                    line = (
                        'E1129 authentication.go:75] "Unable to authenticate the request" '
                        f'err="verifying certificate SN={shown.serial_number}, SKID=, AKID= failed"'
                    )
                    self.journal.append((SERVER, time.time(), line))

    def met_by_cloudcore(self, held: InstalledCertificate) -> None:
        """What edgecore says of a new connection, as of KubeEdge 1.23."""
        if self.trusts(held, self.certificate_of(held)):
            line = "I1129 websocket.go:89] Websocket connect to cloud access successful"
            self.journal.append((held.node, time.time(), line))
            return
        line = (
            "E1129 ws.go:77] dial websocket error(remote error: tls: unknown certificate "
            "authority), response message: "
        )
        self.journal.append((held.node, time.time(), line))

    def trusts(self, held: InstalledCertificate, shown: x509.Certificate) -> bool:
        try:
            shown.verify_directly_issued_by(held.signer.authority(self.keys).certificate)
        except Exception:  # noqa: BLE001 - any reason is a refusal
            return False
        return shown.not_valid_after_utc > datetime.now(UTC)

    def certificate_of(self, held: InstalledCertificate) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.files[held.node, held.certificate])


@dataclass
class FakeMachine:
    name: str
    cluster: FakeCluster

    def write(self, file: GuestFile, deadline: Deadline | None = None) -> None:
        self.cluster.files[self.name, file.path] = file.content

    def read(self, path: str, deadline: Deadline | None = None) -> bytes:
        return self.cluster.files[self.name, path]

    def run(
        self, command: str, deadline: Deadline | None = None, check: bool = True
    ) -> SimpleNamespace:
        return SimpleNamespace(stdout=self._said(command))

    def _said(self, command: str) -> str:
        cluster = self.cluster
        if command.startswith("date"):
            return datetime.now(UTC).strftime("%s.%f %Y-%m-%dT%H:%M:%S.%f")
        if kept := re.findall(r"{ test -e \S+ \|\| cp -p -- (\S+) (\S+); }", command):
            for source, target in kept:
                cluster.files.setdefault((self.name, target), cluster.files[self.name, source])
            return ""
        if back := re.findall(r"{ ! test -e \S+ \|\| mv -f -- (\S+) (\S+); }", command):
            for source, target in back:
                if (self.name, source) in cluster.files:
                    cluster.files[self.name, target] = cluster.files.pop((self.name, source))
            return ""
        if command.startswith("mv"):
            if cluster.obeys:
                for part in command.split(" && "):
                    source, target = part.split()[-2:]
                    cluster.files[self.name, target] = cluster.files.pop((self.name, source))
            return ""
        if found := re.match(r"systemctl restart (\S+)", command):
            cluster.restarted.append(f"{self.name} {found[1]}")
            cluster.taken(self.name, found[1])
            return ""
        if found := re.search(r"(X509SHA256=\w+)", command):
            return "\n".join([line for line in cluster.audit if found[1] in line][-1:])
        if found := re.search(r"--since=@([\d.]+) .*'(verifying certificate SN=\d+,)'", command):
            return self._line(float(found[1]), re.escape(found[2]))
        if found := re.search(
            r"--since=@([\d.]+) _SYS.*--value (\S+)\)\" \| grep -E '(.*)' \| tail -n 1 ", command
        ):
            start = cluster.started.get((self.name, found[2]), 0.0)
            return self._line(max(float(found[1]), start), found[3], newest=True)
        if found := re.search(r"(\d+\.\d+\.\d+\.\d+) (\d+) 2>", command):
            for held in cluster.installed:
                where = held.shown_at
                if where and (str(where[0]), str(where[1])) == found.groups():
                    return cluster.files[held.node, held.certificate].decode()
        raise AssertionError(command)

    def _line(self, since: float, pattern: str, *, newest: bool = False) -> str:
        """The first line of this node's journal since then that has the pattern, or the last."""
        lines = [
            line
            for node, at, line in self.cluster.journal
            if node == self.name and at >= since and re.search(pattern, line)
        ]
        return lines[-1 if newest else 0] if lines else ""


def cluster_of(installed: tuple[InstalledCertificate, ...], keys: KeyAccess) -> FakeCluster:
    """With a certificate of its own authority wherever one is held."""
    made = FakeCluster(installed, keys)
    for held in installed:
        for file in held.files(held.signer.authority(keys).issue(held.spec)):
            made.files[held.node, file.path] = file.content
    return made


def machines_of(cluster: FakeCluster) -> Any:
    return {node.name: FakeMachine(node.name, cluster) for node in TOPOLOGY.nodes}


def sight_of(cluster: FakeCluster) -> Sight:
    return Sight(machines_of(cluster), SERVER, limit)


def injector_of(cluster: FakeCluster) -> CertificateInjector:
    return CertificateInjector(
        machines=machines_of(cluster),
        keys=cluster.keys,
        installed=cluster.installed,
        sight=sight_of(cluster),
        limit=limit,
    )


def held_by(cluster: FakeCluster, fault: ReplaceCertificate) -> InstalledCertificate:
    return next(
        held
        for held in cluster.installed
        if (held.node, held.name) == (fault.node, fault.certificate)
    )
