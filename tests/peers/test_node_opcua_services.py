"""node-opcua's client against our OPC UA device: doors, and what each service answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from edge_lab.devices import TruthWrite
from edge_lab.pki import Authority, KeyKind
from edge_lab.topology import Login, OpcUaOptions
from tests.devices.plant_site import (
    Site,
    certificate,
    press_spec,
    require_namespaces,
    start_site,
    store,
)
from tests.peers.clients import HERE, NODE_FOLDER, on_the_wire, require_node_client
from tests.peers.test_node_opcua import MS, URL, nothing_revoked

pytestmark = pytest.mark.slow(
    reason="the clients of others against devices that are processes: make peers"
)


OPTIONS = OpcUaOptions(logins=tuple(Login), users={"operator": "secret"}, history=2000)


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require_node_client()
    require_namespaces()
    folder = tmp_path_factory.mktemp("d")
    ours, foreign = (Authority.create("device CA", KeyKind.RSA) for _ in range(2))
    store(folder, "client", ours.issue(certificate("sampler")))
    store(folder, "user", ours.issue(certificate("operator")))
    store(folder, "foreign", foreign.issue(certificate("operator")))
    for name, authority in (("chain", ours), ("foreign-chain", foreign)):
        identity = authority.issue(certificate(name))
        store(folder, name, identity)
        chain = identity.certificate_pem + authority.certificate_pem
        (folder / f"{name}.crt").write_bytes(chain)
    (folder / "crl.der").write_bytes(nothing_revoked(ours))
    site = start_site(press_spec(folder, ours, nodes=OPTIONS))
    yield site
    site.process.kill()
    site.process.wait()


@pytest.fixture(scope="module")
def found(press: Site) -> dict[str, Any]:
    """What the client saw, in one run: it takes its time to start."""
    command = ["env", f"NODE_PATH={NODE_FOLDER / 'node_modules'}", "node"]
    command += [str(HERE / "opcua_services_peer.js"), URL, str(press.spec.folder.parent)]
    done = on_the_wire(press, command, seconds=300)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_who_may_come_in_comes_in(press: Site, found: dict[str, Any]) -> None:
    assert found["doors"] == {
        "anonymous": "",
        "right password": "",
        "wrong password": "BadUserAccessDenied",
        "empty password": "BadUserAccessDenied",
        "no such user": "BadUserAccessDenied",
        "user certificate": "",
        "foreign user certificate": "BadUserAccessDenied",
        "chain": "",
        "foreign chain": "BadCertificateUntrusted",
    }
    refused = sum(outcome != "" for outcome in found["doors"].values())
    assert press.client.status().refused == refused


def test_reads_have_their_own_statuses(found: dict[str, Any]) -> None:
    assert found["reads"]["items"] == {
        "value": "Good",
        "unknown node": "BadNodeIdUnknown",
        "absent attribute": "BadAttributeIdInvalid",
        "first of an array": "Good",
        "beyond an array": "BadIndexRangeNoData",
        "part of a scalar": "BadIndexRangeNoData",
        "odd encoding": "BadDataEncodingInvalid",
    }
    assert found["reads"]["first"] == ["http://opcfoundation.org/UA/"]


def test_writes_have_their_own_statuses_and_are_in_the_truth(
    press: Site, found: dict[str, Any]
) -> None:
    assert found["writes"]["items"] == {
        "good": "Good",
        "nan": "BadOutOfRange",
        "infinity": "BadOutOfRange",
        "huge": "BadOutOfRange",
        "integer": "BadTypeMismatch",
        "text": "BadTypeMismatch",
        "unknown node": "BadNodeIdUnknown",
        "read-only": "BadNotWritable",
        "name": "BadNotWritable",
        "part of a scalar": "BadIndexRangeNoData",
        "last": "Good",
    }
    assert found["writes"]["back"] == 261
    writes = [record.value for record in press.client.truth() if isinstance(record, TruthWrite)]
    assert writes == [260, 261]


def test_references_come_in_pages(found: dict[str, Any]) -> None:
    browsed = found["browse"]
    assert [node for page in browsed["pages"] for node in page] == browsed["whole"]
    assert {len(page) for page in browsed["pages"][:-1]} == {4}
    assert browsed["statuses"] == [
        "Good",
        "BadContinuationPointInvalid",
        "BadNodeIdUnknown",
        "Good",
    ]
    assert browsed["paths"] == ["Good", "BadNoMatch", "BadNodeIdUnknown"]
    assert browsed["called"] == ["BadNodeIdUnknown", "BadMethodInvalid"]


def test_history_comes_in_parts_and_is_the_truth(press: Site, found: dict[str, Any]) -> None:
    history = found["history"]
    assert [*history["parts"][0], *history["parts"][1]] == history["both"]
    assert history["both"] == [step.time // MS for step in press.client.steps()[:6]]
    invalid = "BadContinuationPointInvalid"
    assert history["points"] == ["Good", invalid, invalid]
    assert history["bound"] == "BadBoundNotFound"
    unsupported = "BadHistoryOperationUnsupported"
    assert history["items"] == ["Good", "BadNodeIdUnknown", unsupported]
    assert history["modified"] == history["processed"] == [unsupported]
    assert history["unbounded"] == ["BadHistoryOperationInvalid"]


def test_a_device_names_its_own_address(found: dict[str, Any]) -> None:
    assert found["endpoints"] == [URL]
