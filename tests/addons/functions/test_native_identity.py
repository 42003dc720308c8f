"""Each wrong peer at the server's broker, for real, on this machine, as it is declared."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.addons.functions.broker import broker_command, server_config
from edge_lab.addons.functions.endpoints import LEAVES, functions_endpoints
from edge_lab.addons.functions.identities import server_spec
from edge_lab.addons.functions.place import Place
from edge_lab.core.ports import choose_ports
from edge_lab.pki import Authority
from edge_lab.probes.endpoint import Endpoint
from edge_lab.topology import Topology
from tests.addons.fetch import suites
from tests.addons.functions.site import nats_server
from tests.addons.nativeidentity import admitted, judge_at, started, write_identity
from tests.probes.conftest import TargetAt, authority, mint, target_at

__all__ = ["authority", "mint", "target_at"]

pytestmark = pytest.mark.native(reason="runs nats-server")


@pytest.fixture
def declared(topology: Topology) -> Endpoint:
    (found,) = (endpoint for endpoint in functions_endpoints(topology) if endpoint.name == LEAVES)
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
    write_identity(folder, authority, server_spec("127.0.0.1"))
    config = json.loads(server_config(place))
    config["leafnodes"]["tls"]["verify"] = verify
    Path(place.config("broker")).write_text(json.dumps(config))
    with started(broker_command(place), folder / "log", "Server is ready"):
        yield leaf


@pytest.mark.parametrize("suite", suites())
def test_each_wrong_peer_is_refused_for_its_reason(
    suite: str, tmp_path: Path, authority: Authority, declared: Endpoint, target_at: TargetAt
) -> None:
    with broker(tmp_path, suite, authority) as port:
        verdict = judge_at(port, declared, target_at)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("suite", suites())
def test_a_broker_that_verifies_nobody_is_red(
    suite: str, tmp_path: Path, authority: Authority, declared: Endpoint, target_at: TargetAt
) -> None:
    with broker(tmp_path, suite, authority, verify=False) as port:
        verdict = judge_at(port, declared, target_at)
    assert {"none", "foreign-ca", "expired"} <= admitted(verdict)
