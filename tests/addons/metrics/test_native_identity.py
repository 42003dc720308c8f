"""Each wrong peer at the receiver, for real, on this machine: as its endpoint is declared."""

from __future__ import annotations

import contextlib
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
from edge_lab.core.ports import choose_ports
from edge_lab.pki import Authority
from edge_lab.probes.endpoint import Endpoint
from edge_lab.topology import Topology
from tests.addons.fetch import suites
from tests.addons.metrics.site import programs
from tests.addons.nativeidentity import admitted, judge_at, started, write_identity
from tests.probes.conftest import TargetAt, authority, mint, target_at

__all__ = ["authority", "mint", "target_at"]

pytestmark = pytest.mark.native(reason="runs Prometheus")

STRICT = "RequireAndVerifyClientCert"


@pytest.fixture
def declared(topology: Topology) -> Endpoint:
    (found,) = (endpoint for endpoint in metrics_endpoints(topology) if endpoint.name == RECEIVER)
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
    write_identity(folder, authority, receiver_spec("127.0.0.1"))
    Path(place.config(NAME)).write_text(receiver_config())
    Path(place.config(WEB)).write_text(web_config(place).replace(STRICT, asks))
    with started(receiver_command(place, listen), folder / "log", "ready to receive web requests"):
        yield port


@pytest.mark.parametrize("suite", suites())
def test_each_wrong_peer_is_refused_for_its_reason(
    suite: str, tmp_path: Path, authority: Authority, declared: Endpoint, target_at: TargetAt
) -> None:
    with receiver(tmp_path, suite, authority) as port:
        verdict = judge_at(port, declared, target_at)
    assert verdict.passed, str(verdict)


@pytest.mark.parametrize("suite", suites())
def test_a_receiver_that_verifies_nobody_is_red(
    suite: str, tmp_path: Path, authority: Authority, declared: Endpoint, target_at: TargetAt
) -> None:
    with receiver(tmp_path, suite, authority, asks="RequestClientCert") as port:
        verdict = judge_at(port, declared, target_at)
    assert {"none", "foreign-ca", "expired"} <= admitted(verdict)
