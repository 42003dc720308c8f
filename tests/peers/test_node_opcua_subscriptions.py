"""node-opcua's client against the subscriptions and sessions of our OPC UA device."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.devices.faults import SessionDrop
from edge_lab.pki import Authority, KeyKind
from edge_lab.topology import FastNodes, OpcUaOptions, SlowNodes
from tests.devices.plant_site import (
    Site,
    certificate,
    peer_command,
    press_spec,
    require_namespaces,
    start_site,
    store,
)
from tests.peers.clients import HERE, NODE_FOLDER, on_the_wire, require_node_client
from tests.peers.test_node_opcua import URL, nothing_revoked

pytestmark = pytest.mark.slow(
    reason="the clients of others against devices that are processes: make peers"
)


OPTIONS = OpcUaOptions(
    fast=FastNodes(count=1, period_ms=50), slow=SlowNodes(count=1, period_ms=3_600_000)
)
OVERFLOW = 0x480


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require_node_client()
    require_namespaces()
    folder = tmp_path_factory.mktemp("d")
    authority = Authority.create("device CA", KeyKind.RSA)
    store(folder, "client", authority.issue(certificate("sampler")))
    (folder / "crl.der").write_bytes(nothing_revoked(authority))
    site = start_site(press_spec(folder, authority, nodes=OPTIONS))
    yield site
    site.process.kill()
    site.process.wait()


def command(site: Site, task: str) -> list[str]:
    script = str(HERE / "opcua_subscriptions_peer.js")
    folder = str(site.spec.folder.parent)
    modules = f"NODE_PATH={NODE_FOLDER / 'node_modules'}"
    return ["env", modules, "node", script, task, URL, folder]


@pytest.fixture(scope="module")
def found(press: Site) -> dict[str, Any]:
    """What the client saw, in one run: it takes its time to start."""
    done = on_the_wire(press, command(press, "services"), seconds=200)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_a_full_queue_keeps_what_was_asked_for(found: dict[str, Any]) -> None:
    first, second, third = found["oldest"]
    assert [bits for _, bits in found["oldest"]] == [OVERFLOW, 0, 0]
    assert [second[0] - first[0], third[0] - second[0]] == [1, 1]
    first, second, third = found["newest"]
    assert [bits for _, bits in found["newest"]] == [0, 0, OVERFLOW]
    assert second[0] - first[0] == 1
    assert third[0] - second[0] > 1


def test_a_deadband_is_kept_to_or_refused_and_hides_no_neighbour(found: dict[str, Any]) -> None:
    filters = found["filters"]
    assert filters["statuses"] == [
        "Good",
        "BadNodeIdUnknown",
        "BadFilterNotAllowed",
        "BadDeadbandFilterInvalid",
        "Good",
    ]
    assert filters["handles"] == [1, 5]
    assert {after - before for before, after in pairwise(filters["values"])} == {3}


def test_what_is_not_there_is_not_republished(found: dict[str, Any]) -> None:
    assert found["republish"] == {
        "same": True,
        "sequence": "BadMessageNotAvailable",
        "subscription": "BadSubscriptionIdInvalid",
        "publish": "BadNoSubscription",
    }


def test_a_subscription_goes_on_in_another_session(found: dict[str, Any]) -> None:
    assert found["transfer"] == {
        "statuses": ["BadSubscriptionIdInvalid", "Good"],
        "available": True,
        "last": ["GoodSubscriptionTransferred"],
        "old": "BadNoSubscription",
        "initial": True,
        "acknowledged": ["Good"],
    }


def test_a_client_whose_session_is_dropped_makes_a_new_one_and_goes_on(press: Site) -> None:
    client = subprocess.Popen(
        peer_command([press], command(press, "recovery")), stdout=subprocess.PIPE, text=True
    )
    assert client.stdout is not None
    try:
        for line in client.stdout:
            if line.strip() == "ready":
                break
        press.client.set_fault(SessionDrop(), Deadline.after(2.0))
        press.client.set_fault(None)
        said, _ = client.communicate(timeout=60)
    finally:
        client.kill()
        client.wait()
    assert json.loads(said.splitlines()[-1]) == {"recovered": True}
