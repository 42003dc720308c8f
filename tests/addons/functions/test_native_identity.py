"""Each wrong peer at the server's broker, for real, on this machine, as it is declared."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_lab.addons.functions.broker import broker_command, server_config
from edge_lab.addons.functions.endpoints import LEAVES, functions_endpoints
from edge_lab.addons.functions.identities import server_spec
from edge_lab.addons.functions.place import Place
from edge_lab.addons.tlsfiles import CA, CERTIFICATE, KEY
from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.oracles.identity import Finding, IdentityVerdict, judge_identity
from edge_lab.pki import Authority
from edge_lab.probes.endpoint import Endpoint
from edge_lab.topology import Topology
from tests.addons.fetch import suites
from tests.addons.functions.site import LIMIT, nats_server
from tests.probes.conftest import TargetAt, authority, mint, target_at

__all__ = ["authority", "mint", "target_at"]

pytestmark = pytest.mark.native(reason="runs nats-server")


@pytest.fixture
def declared(topology: Topology) -> Endpoint:
    (found,) = (one for one in functions_endpoints(topology) if one.name == LEAVES)
    return found


@contextlib.contextmanager
def broker(folder: Path, suite: str, authority: Authority, *, verify: bool = True) -> Iterator[int]:
    """Its port for leaves, at 127.0.0.1."""
    client, monitor, leaf = choose_ports(3)
    place = Place(
        node="server",
        leaf="",
        client=f"127.0.0.1:{client}",
        monitor=f"127.0.0.1:{monitor}",
        leaf_listens=f"127.0.0.1:{leaf}",
        files=str(folder),
        state=str(folder),
        nats=(nats_server(suite),),
    )
    identity = authority.issue(server_spec("127.0.0.1"))
    for name, content in {
        CA: authority.certificate_pem,
        CERTIFICATE: identity.certificate_pem,
        KEY: identity.key_pem,
    }.items():
        (folder / name).write_bytes(content)
    config = json.loads(server_config(place))
    config["leafnodes"]["tls"]["verify"] = verify
    Path(place.config("broker")).write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(broker_command(place), stdout=log, stderr=log)
    try:
        Deadline.after(LIMIT).wait_for(
            "the broker", lambda: "Server is ready" in (folder / "log").read_text()
        )
        yield leaf
    finally:
        process.kill()
        process.wait()


def judged(port: int, declared: Endpoint, target_at: TargetAt) -> IdentityVerdict:
    target = target_at(port, declared.policy)
    target = replace(
        target, endpoint=replace(target.endpoint, speaks=declared.speaks, request=declared.request)
    )
    endpoints = {target.endpoint.id: target.endpoint}
    return judge_identity("host", "none", list(target.try_all()), endpoints)


@pytest.mark.parametrize("suite", suites())
def test_each_wrong_peer_is_refused_for_its_reason(
    suite: str, tmp_path: Path, authority: Authority, declared: Endpoint, target_at: TargetAt
) -> None:
    with broker(tmp_path, suite, authority) as port:
        verdict = judged(port, declared, target_at)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("suite", suites())
def test_a_broker_that_asks_nobody_is_red(
    suite: str, tmp_path: Path, authority: Authority, declared: Endpoint, target_at: TargetAt
) -> None:
    with broker(tmp_path, suite, authority, verify=False) as port:
        verdict = judged(port, declared, target_at)
    found = {one.record.probe for one in verdict.judged if one.finding is Finding.LET_IN}
    assert {"none", "foreign-ca", "expired"} <= found
