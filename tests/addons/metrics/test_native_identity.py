"""Each wrong peer at the receiver, for real, on this machine: as its endpoint is declared."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.addons.metrics.endpoints import metrics_endpoints
from edge_lab.addons.metrics.identities import receiver_spec
from edge_lab.addons.metrics.names import RECEIVER
from edge_lab.addons.metrics.place import Place
from edge_lab.addons.metrics.receiver import (
    NAME,
    WEB,
    receiver_command,
    receiver_config,
    web_config,
)
from edge_lab.addons.tlsfiles import CA, CERTIFICATE, KEY
from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.oracles.identity import Finding, IdentityVerdict, judge_identity
from edge_lab.pki import Authority
from edge_lab.probes.endpoint import Endpoint
from edge_lab.topology import Topology
from tests.addons.fetch import suites
from tests.addons.metrics.site import LIMIT, programs
from tests.probes.conftest import TargetAt, authority, mint, target_at

__all__ = ["authority", "mint", "target_at"]

pytestmark = pytest.mark.native(reason="runs Prometheus")

STRICT = "RequireAndVerifyClientCert"


@pytest.fixture
def declared(topology: Topology) -> Endpoint:
    (found,) = (one for one in metrics_endpoints(topology) if one.name == RECEIVER)
    return found


@contextlib.contextmanager
def receiver(
    folder: Path, suite: str, authority: Authority, *, asks: str = STRICT
) -> Iterator[int]:
    """Its port, at 127.0.0.1."""
    (port,) = choose_ports(1)
    listen = f"127.0.0.1:{port}"
    place = Place(
        "server", listen, suite, programs=str(programs(suite)), files=str(folder), state=str(folder)
    )
    identity = authority.issue(receiver_spec("127.0.0.1"))
    for name, content in {
        CA: authority.certificate_pem,
        CERTIFICATE: identity.certificate_pem,
        KEY: identity.key_pem,
    }.items():
        (folder / name).write_bytes(content)
    Path(place.config(NAME)).write_text(receiver_config())
    Path(place.config(WEB)).write_text(web_config(place).replace(STRICT, asks))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(receiver_command(place, listen), stdout=log, stderr=log)
    try:
        Deadline.after(LIMIT).wait_for(
            "the receiver",
            lambda: "ready to receive web requests" in (folder / "log").read_text(),
        )
        yield port
    finally:
        process.kill()
        process.wait()


def judged(port: int, declared: Endpoint, target_at: TargetAt) -> IdentityVerdict:
    target = target_at(port, declared.policy)
    endpoints = {target.endpoint.id: target.endpoint}
    return judge_identity("host", "none", list(target.try_all()), endpoints)


@pytest.mark.parametrize("suite", suites())
def test_each_wrong_peer_is_refused_for_its_reason(
    suite: str, tmp_path: Path, authority: Authority, declared: Endpoint, target_at: TargetAt
) -> None:
    with receiver(tmp_path, suite, authority) as port:
        verdict = judged(port, declared, target_at)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("suite", suites())
def test_a_receiver_that_asks_nobody_is_red(
    suite: str, tmp_path: Path, authority: Authority, declared: Endpoint, target_at: TargetAt
) -> None:
    with receiver(tmp_path, suite, authority, asks="RequestClientCert") as port:
        verdict = judged(port, declared, target_at)
    found = {one.record.probe for one in verdict.judged if one.finding is Finding.LET_IN}
    assert {"none", "foreign-ca", "expired"} <= found
