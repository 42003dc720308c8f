"""A cluster with KubeEdge: cloudcore between edge nodes and API server, with its own authority in
Secrets or in files, and edgecores that read theirs for each connection."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from edge_lab.addons import get_platform
from edge_lab.faults.families.authority.byname import replaceable
from edge_lab.faults.families.authority.holdings import Holdings
from edge_lab.pki import CLUSTER, Authority, Identity, Pki
from edge_lab.pki.authority import key_pem
from edge_lab.stacks.kubeedge import CLOUDCORE_UNIT, EDGECORE_UNIT
from edge_lab.stacks.kubeedge_authority import NAMESPACE, SECRET
from edge_lab.stacks.kubeedge_certificate import CERTIFICATE, KEY
from edge_lab.stacks.kubeedge_trust import (
    API_CA,
    API_CERTIFICATE,
    API_KEY,
    CLOUDCORE_SECRET,
    ROOT,
    ROOT_KEY,
    cloudcore_server_spec,
)
from tests.faults.fake_authority import (
    API_SERVER,
    PKI,
    Bench,
    TlsCluster,
    TlsKubectl,
    TlsMachine,
    bench_of,
    handshake,
)
from tests.faults.fake_certificates import SERVER, FakeKeys, secret_of
from tests.faults.plans import TOPOLOGY

STACK = "kubernetes+kubeedge"
CA, CLOUD = (NAMESPACE, SECRET), (NAMESPACE, CLOUDCORE_SECRET)
FILES = (ROOT, ROOT_KEY, CERTIFICATE, KEY)
Der = Mapping[str, bytes]


def shown_secret(identity: Identity) -> dict[str, bytes]:
    """As cloudcore keeps what it shows."""
    made = secret_of(Authority(identity))
    return {"cloudcoredata": made["cadata"], "cloudcorekeydata": made["cakeydata"]}


def identity_of(certificate: bytes, key: bytes) -> Identity:
    """From DER; the key in SEC 1 alone, as of cloudcore's authority."""
    return Identity(
        x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM),
        key_pem(cast(Any, serialization.load_der_private_key(key, None))),
    )


def der_of(pem: bytes) -> bytes:
    """The first block, whatever it is, as cloudcore reads a file (ReadPEMFile)."""
    lines = pem.decode().partition("-----END")[0].splitlines()[1:]
    return base64.b64decode("".join(lines))


@dataclass
class KubeEdgeCluster(TlsCluster):
    secrets: dict[tuple[str, str], Der] = field(default_factory=dict)
    serves: tuple[bytes, Identity] | None = None
    """By whom cloudcore knows its clients, and what it shows: what it took when it was started."""

    def taken(self, node: str, unit: str) -> None:
        if unit in (CLOUDCORE_UNIT, EDGECORE_UNIT):
            self.started[node, unit] = time.time()
        super().taken(node, unit)
        if unit == CLOUDCORE_UNIT:
            self._start_cloudcore()
        if unit == EDGECORE_UNIT:
            self.reaches_cloudcore(node)

    def _start_cloudcore(self) -> None:
        """Files before Secrets, and into them."""
        mine = self.running[SERVER, CLOUDCORE_UNIT]
        for names, secret, entries in (
            ((ROOT, ROOT_KEY), CA, ("cadata", "cakeydata")),
            ((CERTIFICATE, KEY), CLOUD, ("cloudcoredata", "cloudcorekeydata")),
        ):
            there = [name in mine for name in names]
            assert len(set(there)) == 1, "cloudcore wants both of certificate and key"
            if all(there):
                self.secrets[secret] = {
                    entry: der_of(mine[name]) for entry, name in zip(entries, names, strict=True)
                }
        assert b"EC PRIVATE KEY" in mine.get(ROOT_KEY, b"EC PRIVATE KEY")
        own, shown = self.secrets[CA], self.secrets[CLOUD]
        authority = identity_of(own["cadata"], own["cakeydata"])
        self.serves = (
            authority.certificate_pem,
            identity_of(shown["cloudcoredata"], shown["cloudcorekeydata"]),
        )

    def asks(self, node: str, identity: Identity | None = None) -> bool:
        if node == SERVER:
            return super().asks(node, identity)
        return self.reaches_cloudcore(node, identity) and self.cloudcore_asks()

    def reaches_cloudcore(self, node: str, identity: Identity | None = None) -> bool:
        """A new connection of edgecore's, as its log tells it."""
        assert self.serves is not None
        mine = {path: content for (where, path), content in self.files.items() if where == node}
        shown = identity or Identity(mine[CERTIFICATE], mine[KEY])
        met = handshake((mine[ROOT], shown), self.serves)
        line = {
            "": "Websocket connect to cloud access successful",
            "server refuses": "remote error: tls: unknown certificate authority",
            "client refuses": "tls: failed to verify certificate: x509",
        }[met]
        self.journal.append((node, time.time(), line))
        return met == ""

    def cloudcore_asks(self) -> bool:
        own, api = self.running[SERVER, CLOUDCORE_UNIT], self.running[SERVER, API_SERVER]
        shown = Identity(own[API_CERTIFICATE], own[API_KEY])
        serving = Identity(api[f"{PKI}/apiserver.crt"], api[f"{PKI}/apiserver.key"])
        return handshake((own[API_CA], shown), (api[f"{PKI}/ca.crt"], serving)) == ""

    def is_called(self, node: str, identity: Identity | None = None) -> bool:
        return node != SERVER or super().is_called(node, identity)

    def all_ask(self) -> None:
        self.asks(SERVER)
        for node in TOPOLOGY.edges:
            self.asks(node.name)


def kubeedge_bench(pki: Pki, cloudcore: Authority, folder: Path, domain_name: str) -> Bench:
    """All started once, edge nodes joined."""
    platform = get_platform(STACK, TOPOLOGY)
    domains = replaceable(platform.stack, TOPOLOGY)
    of_cluster = bench_of(platform, pki, folder)
    secrets: dict[tuple[str, str], Der] = {
        CA: secret_of(cloudcore),
        CLOUD: shown_secret(cloudcore.issue(cloudcore_server_spec(TOPOLOGY))),
    }
    holdings = Holdings.of(platform, TOPOLOGY, domains[domain_name])
    made = KubeEdgeCluster(
        platform.certificates(TOPOLOGY),
        FakeKeys(pki, cast(Any, secrets)),
        files=of_cluster.cluster.files,
        running=of_cluster.cluster.running,
        holdings=holdings,
        secrets=secrets,
    )
    for held in platform.certificates(TOPOLOGY):
        if held.node != SERVER:
            for file in held.files(cloudcore.issue(held.spec)):
                made.files[held.node, file.path] = file.content
            made.files[held.node, ROOT] = cloudcore.certificate_pem
    for node, unit in (
        (SERVER, CLOUDCORE_UNIT),
        *((node.name, EDGECORE_UNIT) for node in TOPOLOGY.edges),
    ):
        made.taken(node, unit)
    machines = {node.name: TlsMachine(node.name, made) for node in TOPOLOGY.nodes}
    kubectl = TlsKubectl(made, of_cluster.kubectl.kubeconfig)
    signer = platform.stack.signer(domains[domain_name])
    return Bench(made, kubectl, pki, machines, signer, domains[domain_name] == CLUSTER)
