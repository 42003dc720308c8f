"""node-opcua's client against our OPC UA device."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from edge_lab.devices import TruthAlarm, TruthWrite
from edge_lab.pki import Authority, KeyKind
from edge_lab.pki.authority import load_key
from edge_lab.topology import SecurityPolicy
from tests.devices.plant_site import Site, press_spec, require_namespaces, start_site
from tests.devices.test_opcua_options import ALL, certificates
from tests.peers.clients import HERE, NODE_FOLDER, on_the_wire, require_node_client

pytestmark = pytest.mark.slow(
    reason="the clients of others against devices that are processes: make peers"
)


URL = "opc.tcp://10.78.0.102:4840"
MS = 1_000_000
"""ns; node-opcua's times are whole milliseconds."""


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require_node_client()
    require_namespaces()
    folder = tmp_path_factory.mktemp("d")
    authority = Authority.create("device CA", KeyKind.RSA)
    certificates(folder, authority)
    (folder / "crl.der").write_bytes(nothing_revoked(authority))
    site = start_site(press_spec(folder, authority, nodes=ALL))
    yield site
    site.process.kill()
    site.process.wait()


def nothing_revoked(authority: Authority) -> bytes:
    """An empty revocation list, DER: this client trusts no authority without one."""
    now = datetime.now(UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.identity.certificate.subject)
        .last_update(now - timedelta(days=1))
        .next_update(now + timedelta(days=30))
    )
    signed = builder.sign(load_key(authority.identity.key_pem), hashes.SHA256())
    return signed.public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def found(press: Site) -> dict[str, Any]:
    """What the client saw, in one run: it takes its time to start."""
    folder = press.spec.folder.parent
    command = ["env", f"NODE_PATH={NODE_FOLDER / 'node_modules'}"]
    command += ["node", str(HERE / "opcua_peer.js"), URL, str(folder)]
    done = on_the_wire(press, command, seconds=300)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_all_policies_and_logins_let_in_whom_they_should(
    press: Site, found: dict[str, Any]
) -> None:
    outcomes = found["logins"]
    let_in = [name for name, refused in outcomes.items() if not refused]
    policies = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")
    assert len(policies) == len(SecurityPolicy)
    assert let_in == [
        *(f"{policy} {mode}" for policy in policies for mode in ("Sign", "SignAndEncrypt")),
        "user certificate",
    ]
    assert outcomes["wrong password"] == "BadUserAccessDenied"
    assert outcomes["foreign user certificate"] == "BadUserAccessDenied"


def test_a_foreign_certificate_is_refused_and_counted(press: Site, found: dict[str, Any]) -> None:
    assert found["logins"]["foreign client certificate"] == "BadCertificateUntrusted"
    assert press.client.status().refused == 3
    assert "refused client CN=operator: BadCertificateUntrusted" in press.log.read_text()


def test_the_address_space_can_be_browsed(found: dict[str, Any]) -> None:
    assert {"Server", "press", "signals", "fast", "slow", "machine"} <= set(
        found["browse"]["objects"]
    )
    assert found["browse"]["press"] == [
        "sequence",
        "phase",
        "force",
        "position",
        "parts",
        "oil_temperature",
        "setpoint",
        "requested_setpoint",
    ]


def test_values_are_read_as_the_truth_has_them_and_written(
    press: Site, found: dict[str, Any]
) -> None:
    values = found["values"]
    sample = values["sample"]
    step = {step.seq: step for step in press.client.steps()}[sample.pop("sequence")]
    assert sample == {name: step.values[name] for name in sample}
    assert values["time"] == step.time // MS
    assert {name: values[name] for name in ("unknown", "written", "too low", "read-only")} == {
        "unknown": "BadNodeIdUnknown",
        "written": "Good",
        "too low": "BadOutOfRange",
        "read-only": "BadNotWritable",
    }
    (write,) = [record for record in press.client.truth() if isinstance(record, TruthWrite)]
    assert write.value == 300.5


def test_history_is_the_truth(press: Site, found: dict[str, Any]) -> None:
    history = found["history"]
    assert history["status"] == "Good"
    steps = press.client.steps()
    wanted = [[step.time // MS, step.values["force"]] for step in steps]
    # This client asks for bounds: before the first step there is none.
    before, *values, _ = history["values"]
    assert before[1] is None
    assert values == wanted[: len(values)]
    assert len(values) > 10


def test_a_subscription_brings_each_step_and_each_alarm(press: Site, found: dict[str, Any]) -> None:
    sequence = found["subscription"]["sequence"]
    assert len(sequence) > 10
    assert all(after == before + 1 for before, after in pairwise(sequence))
    told = {
        record.time // MS: record
        for record in press.client.truth()
        if isinstance(record, TruthAlarm)
    }
    events = found["subscription"]["events"]
    assert len(events) >= 2
    for event in events:
        alarm = told[event["time"]]
        assert (event["source"], event["severity"]) == (alarm.point, 700)
        assert event["active"] == event["retain"] == (alarm.state == "high")
