"""A cluster whose authority is replaced: its components trust and show what they had in their files
when they were started last, and meet each other by handshakes of real TLS."""

from __future__ import annotations

import json
import re
import ssl
import tempfile
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from cryptography import x509

from edge_lab.addons import Platform
from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.kubectl import Kubectl
from edge_lab.core.deadline import Deadline
from edge_lab.faults.families.authority.holdings import Holdings
from edge_lab.faults.families.authority.hosts import Hosts
from edge_lab.faults.families.authority.injector import AuthorityInjector
from edge_lab.faults.families.certificate.sight import Sight, fingerprint
from edge_lab.pki import CLUSTER, Authority, Identity, LabSigner, Pki, Signer
from edge_lab.stacks.identities import ADMIN
from edge_lab.stacks.kubeconfig import kubeconfig
from edge_lab.stacks.kubelet import CLIENT_PEM, CLUSTER_CA, SERVER_CERTIFICATE, SERVER_KEY
from tests.faults.fake_certificates import SERVER, FakeCluster, FakeKeys, FakeMachine
from tests.faults.plans import TOPOLOGY

API_SERVER, KUBELET, YURTHUB = "kube-apiserver.service", "kubelet.service", "yurthub.service"
PKI = "/etc/kubernetes/pki"
ENOUGH, TOO_LITTLE = 60.0, 8.0
"""Seconds for what shall be seen, and for what never is."""


@dataclass
class TlsCluster(FakeCluster):
    holdings: Holdings = field(default_factory=lambda: Holdings((), (), (), (), ()))
    running: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    """By node and unit, the node's files when it was started last."""

    def taken(self, node: str, unit: str) -> None:
        mine = {path: content for (where, path), content in self.files.items() if where == node}
        self.running[node, unit] = mine

    def client_of(self, node: str) -> str:
        return KUBELET if node == SERVER else YURTHUB

    def asks(self, node: str, identity: Identity | None = None) -> bool:
        """A request of the node's to the API server, or one by another `identity` from there."""
        own = self.running[node, self.client_of(node)]
        api = self.running[SERVER, API_SERVER]
        shown = identity or Identity(own[CLIENT_PEM], own[CLIENT_PEM])
        serving = Identity(api[f"{PKI}/apiserver.crt"], api[f"{PKI}/apiserver.key"])
        met = handshake((own[CLUSTER_CA], shown), (api[CLUSTER_CA], serving))
        if met == "client refuses":
            return False
        self._write_down(shown.certificate, met == "")
        return met == ""

    def all_ask(self) -> None:
        """Each client whose certificate can be seen in use, once."""
        for held in self.installed:
            if held.shown_at is None:
                own = self.running[held.node, held.unit]
                self.asks(held.node, Identity(own[held.certificate], own[held.key]))

    def is_called(self, node: str, identity: Identity | None = None) -> bool:
        """A call of the API server to the node's kubelet, or one by another identity."""
        kubelet = self.running[node, KUBELET]
        api = self.running[SERVER, API_SERVER]
        name = f"{PKI}/apiserver-kubelet-client"
        shown = identity or Identity(api[f"{name}.crt"], api[f"{name}.key"])
        serving = Identity(kubelet[SERVER_CERTIFICATE], kubelet[SERVER_KEY])
        return not handshake((api[CLUSTER_CA], shown), (kubelet[CLUSTER_CA], serving))

    def _write_down(self, shown: x509.Certificate, let_in: bool) -> None:
        if let_in:
            known = f"X509SHA256={fingerprint(shown)}"
            event = {
                "user": {"extra": {"authentication.kubernetes.io/credential-id": [known]}},
                "requestReceivedTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            }
            self.audit.append(json.dumps(event, separators=(",", ":")))
            return
        line = f'err="verifying certificate SN={shown.serial_number}, SKID=, AKID= failed"'
        self.journal.append((SERVER, time.time(), line))


@dataclass
class TlsMachine(FakeMachine):
    def run(
        self, command: str, deadline: Deadline | None = None, check: bool = True
    ) -> SimpleNamespace:
        files = cast(TlsCluster, self.cluster).files
        if command.startswith("systemctl"):
            for part in command.split(" && "):
                super().run(part)
        elif found := re.fullmatch(r"test -e (\S+)", command):
            return SimpleNamespace(returncode=int((self.name, found[1]) not in files), stdout="")
        elif command.startswith("rm -f -- "):
            for pattern in command.removeprefix("rm -f -- ").split():
                start = pattern.rstrip("*")
                for node, path in list(files):
                    if node == self.name and path.startswith(start):
                        del files[node, path]
        else:
            return super().run(command)
        return SimpleNamespace(returncode=0, stdout="")


@dataclass
class TlsKubectl:
    """As much of kubectl as is asked: the heartbeats that nodes send when they get through."""

    cluster: TlsCluster
    kubeconfig: Path
    renewed: dict[str, int] = field(default_factory=dict)
    without_lease: frozenset[str] = frozenset()
    """Nodes that report their status, and renew no lease."""

    def get_json(self, kind: str, node: str, *more: str, deadline: Deadline) -> dict[str, Any]:
        if self.cluster.asks(node):
            self.renewed[node] = self.renewed.get(node, 0) + 1
        heartbeat = str(self.renewed.get(node, 0))
        # A node sends one of them at a time, each of which is enough.
        by_lease = node not in self.without_lease
        if kind == "lease":
            return {"spec": {"renewTime": heartbeat if by_lease else "0"}}
        assert kind == "node"
        ready = {"type": "Ready", "lastHeartbeatTime": "0" if by_lease else heartbeat}
        return {"status": {"conditions": [ready]}}

    def pending_requests(self, deadline: Deadline) -> tuple[()]:
        """Asked again and again: what goes on meanwhile. All clients ask the API server, and what
        a node has no certificate for, it is given one."""
        self.cluster.all_ask()
        for requested in self.cluster.holdings.requested:
            path = requested.files.replace("*", "current.pem")
            self.cluster.files.setdefault((requested.node, path), b"signed anew")
        return ()


@dataclass
class Bench:
    cluster: TlsCluster
    kubectl: TlsKubectl
    pki: Pki
    machines: dict[str, TlsMachine]
    signer: Signer = field(default_factory=lambda: LabSigner(CLUSTER))
    takes_host_along: bool = True

    @property
    def old(self) -> Authority:
        return self.pki.authority(CLUSTER)

    def injector(
        self, seconds: float = ENOUGH, holdings: Holdings | None = None
    ) -> AuthorityInjector:
        def limit(_: float) -> Deadline:
            return Deadline.after(seconds)

        cluster = ClusterAccess(cast(Kubectl, self.kubectl), cast(Any, self.machines), TOPOLOGY)
        return AuthorityInjector(
            cluster=cluster,
            machines=cast(Any, self.machines),
            keys=self.cluster.keys,
            signer=self.signer,
            holdings=holdings or self.cluster.holdings,
            hosts=Hosts(self.kubectl.kubeconfig, cluster) if self.takes_host_along else None,
            sight=Sight(cast(Any, self.machines), SERVER, limit),
            limit=limit,
        )

    def without_trust_on(self, node: str) -> Holdings:
        """As if somebody had forgotten to declare what the node trusts."""
        held = self.cluster.holdings
        return replace(
            held, bundles=tuple(bundle for bundle in held.bundles if bundle.node != node)
        )


def bench_of(platform: Platform, pki: Pki, folder: Path) -> Bench:
    """All started once, with the files that they are given."""
    holdings = Holdings.of(platform, TOPOLOGY, CLUSTER)
    authority = pki.authority(CLUSTER)
    made = TlsCluster(holdings.witnessed, FakeKeys(pki), holdings=holdings)
    for held in holdings.certificates:
        for file in held.files(authority.issue(held.spec)):
            made.files[held.node, file.path] = file.content
    for bundle in holdings.bundles:
        made.files[bundle.node, bundle.path] = authority.certificate_pem
    for signer in holdings.signers:
        made.files[signer.node, signer.certificate] = authority.identity.certificate_pem
        made.files[signer.node, signer.key] = authority.identity.key_pem
    for requested in holdings.requested:
        made.files[requested.node, requested.files.replace("*", "current.pem")] = b"signed"
    for node in TOPOLOGY.nodes:
        for unit in holdings.on(node.name).units:
            made.taken(node.name, unit)
    path = folder / "kubeconfig"
    admin = pki.identity(CLUSTER, ADMIN)
    text = kubeconfig("https://127.0.0.1:1", ca_pem=authority.certificate_pem, identity=admin)
    path.write_text(text, encoding="utf-8")
    machines = {node.name: TlsMachine(node.name, made) for node in TOPOLOGY.nodes}
    return Bench(made, TlsKubectl(made, path), pki, machines)


def handshake(client: tuple[bytes, Identity], server: tuple[bytes, Identity]) -> str:
    """Each with whom it trusts and what it shows. Who refuses the other; nothing if nobody does."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = _context(ssl.PROTOCOL_TLS_CLIENT, client).wrap_bio(to_client, to_server)
    answering = _context(ssl.PROTOCOL_TLS_SERVER, server).wrap_bio(
        to_server, to_client, server_side=True
    )
    waiting = {"client": asking, "server": answering}
    for _ in range(10):
        for name, peer in list(waiting.items()):
            try:
                peer.do_handshake()
                del waiting[name]
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return f"{name} refuses"
        if not waiting:
            return ""
    raise AssertionError("the handshake does not end")


def _context(side: int, peer: tuple[bytes, Identity]) -> ssl.SSLContext:
    trusted, shown = peer
    made = ssl.SSLContext(side)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    # Under 1.3 a client would be refused after its own handshake is through.
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.load_verify_locations(cadata=trusted.decode())
    with tempfile.NamedTemporaryFile() as file:
        combined = {shown.certificate_pem, shown.key_pem}
        file.write(b"".join(sorted(combined)))
        file.flush()
        made.load_cert_chain(file.name)
    return made
