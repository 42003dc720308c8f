"""Each wrong peer at the cloud's inference server, for real, on this machine: as its endpoint is
declared; and what may be asked for there."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.addons.models.endpoints import CLOUD, models_endpoints
from edge_lab.addons.models.identities import client_spec, server_spec
from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.oracles.identity import Finding, IdentityVerdict, judge_identity
from edge_lab.pki import Authority
from edge_lab.probes.endpoint import Endpoint
from edge_lab.topology import Topology
from images.models.edge_models.client import Client, NoAnswer
from tests.addons.models.site import start
from tests.probes.conftest import TargetAt, authority, mint, target_at

__all__ = ["authority", "mint", "target_at"]

pytestmark = pytest.mark.slow(reason="starts an inference server, and waits for its refusals")


@pytest.fixture
def declared(topology: Topology) -> Endpoint:
    (found,) = (endpoint for endpoint in models_endpoints(topology) if endpoint.name == CLOUD)
    return found


def keys(folder: Path, name: str, authority: Authority, *, server: bool) -> dict[str, str]:
    spec = server_spec("127.0.0.1") if server else client_spec(name)
    identity = authority.issue(spec)
    own = folder / name
    own.mkdir()
    (own / "ca.crt").write_bytes(authority.certificate_pem)
    (own / "tls.crt").write_bytes(identity.certificate_pem)
    (own / "tls.key").write_bytes(identity.key_pem)
    return {
        "authority": str(own / "ca.crt"),
        "certificate": str(own / "tls.crt"),
        "key": str(own / "tls.key"),
    }


@contextlib.contextmanager
def server(folder: Path, authority: Authority, defect: str = "") -> Iterator[int]:
    """Its port for other nodes, at 127.0.0.1."""
    port, cloud = choose_ports(2)
    tls = {"host": "127.0.0.1", "port": cloud, **keys(folder, "server", authority, server=True)}
    config = folder / "config.json"
    config.write_text(
        json.dumps(
            {
                **{"node": "server", "folder": str(folder / "state"), "namespace": "edge-models"},
                **{"api": {}, "sources": [], "host": "127.0.0.1", "port": port, "beat": 1.0},
                "tls": tls,
            }
        )
    )
    process: subprocess.Popen[bytes] = start(folder, config, "serve", defect)
    try:
        local = Client(f"http://127.0.0.1:{port}")
        Deadline.scaled(60).wait_for(
            "the server", lambda: local.serving() == {}, transient=(NoAnswer,)
        )
        yield cloud
    finally:
        process.kill()
        process.wait()


def judged(port: int, declared: Endpoint, target_at: TargetAt) -> IdentityVerdict:
    target = target_at(port, declared.policy)
    endpoints = {target.endpoint.id: target.endpoint}
    return judge_identity("host", "none", list(target.try_all()), endpoints)


def test_each_wrong_peer_is_turned_away_for_its_reason(
    tmp_path: Path, authority: Authority, declared: Endpoint, target_at: TargetAt
) -> None:
    with server(tmp_path, authority) as port:
        verdict = judged(port, declared, target_at)
    assert verdict.passed, str(verdict)


def test_a_server_that_asks_nobody_is_red(
    tmp_path: Path, authority: Authority, declared: Endpoint, target_at: TargetAt
) -> None:
    with server(tmp_path, authority, "open_to_all") as port:
        verdict = judged(port, declared, target_at)
    found = {
        judgement.record.probe
        for judgement in verdict.judged
        if judgement.finding is Finding.LET_IN
    }
    assert {"none", "foreign-ca", "expired"} <= found


def test_other_nodes_may_only_ask_for_inference(tmp_path: Path, authority: Authority) -> None:
    with server(tmp_path, authority) as port:
        tls = keys(tmp_path, "edge", authority, server=False)
        client = Client(f"https://127.0.0.1:{port}", tls=tls)
        for ask, status in (
            (lambda: client.reload("boiler"), 403),
            (lambda: client.evaluate("boiler", "sha256:0", []), 403),
            (lambda: client.infer("boiler", []), 404),
        ):
            with pytest.raises(NoAnswer) as caught:
                ask()
            assert caught.value.status == status
        assert client.serving() == {}
