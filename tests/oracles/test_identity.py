"""The verdict on probes: each passes where all is as it should be, and each is red on a planted
defect, on an endpoint that is down, and on a refusal for another reason."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.deadline import Deadline
from edge_lab.oracles.identity import Finding, judge_identity, judge_probe
from edge_lab.pki import Authority
from edge_lab.probes.catalog import PROBES
from edge_lab.probes.dial import SocketDial
from edge_lab.probes.endpoint import Endpoint, Speaks
from edge_lab.probes.expected import (
    ANYONE_BY_HTTP,
    MUTUAL_TLS,
    VERIFIED_BY_HTTP,
    Expected,
    Outcome,
    Policy,
    alert,
    either,
    let_in,
    loopback,
    no_tls,
    status,
    unreachable,
)
from edge_lab.probes.mint import Mint
from edge_lab.probes.record import Alert, Direction, Ended, HttpAnswer, ProbeRecord, Step
from edge_lab.probes.run import Target
from tests.ports import closed_port
from tests.probes.conftest import OTHER, SPEC
from tests.probes.servers import Talk, closing, https, plain_http, server_context, serving

STRICT = MUTUAL_TLS.but(
    # What Go lets in and says so, as a product would have it that does not.
    weak_key=alert(42, 48),
    stolen_ticket=alert(116, before_13=(40,)),
)
BY_HTTP = VERIFIED_BY_HTTP.but(other_node=status(403))
PLAIN = loopback(ANYONE_BY_HTTP)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("edge-lab cluster CA")


def endpoint(policy: Policy, port: int = 1) -> Endpoint:
    return Endpoint("it", "host", port, Speaks.HTTPS, "", "", policy, right=SPEC)


def target(authority: Authority, policy: Policy, port: int) -> Target:
    return Target(
        endpoint(policy, port),
        "127.0.0.1",
        SocketDial(),
        Mint(authority, SPEC, OTHER),
        wire_address="127.0.0.1",
        wire_dial=SocketDial("elsewhere"),
        limit=lambda: Deadline.after(10),
    )


def judged(authority: Authority, policy: Policy, port: int, probe: str) -> Finding:
    record = target(authority, policy, port).try_one(PROBES[probe])
    return judge_probe(record, policy.expects[probe]).finding


# -- planted defects -------------------------------------------------------------------------


def lax(folder: Path, authority: Authority) -> Talk:
    """Asks nobody who they are, and takes every version that there has ever been."""
    context = server_context(folder, authority, verify=ssl.CERT_NONE)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    return https(context)


def both_ways(folder: Path, authority: Authority) -> Talk:
    """Speaks TLS and plain text at one port."""
    by_tls, plain = lax(folder, authority), plain_http()

    def talk(peer: socket.socket) -> None:
        first = peer.recv(1, socket.MSG_PEEK)
        (by_tls if first == b"\x16" else plain)(peer)

    return talk


REFUSED = [
    (policy, probe)
    for policy in (STRICT, BY_HTTP, PLAIN)
    for probe, expected in policy.expects.items()
    if expected.outcome is not Outcome.LET_IN
]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1 is deprecated")
@pytest.mark.parametrize(
    ("policy", "probe"),
    REFUSED,
    ids=lambda policy_or_probe: (
        policy_or_probe if isinstance(policy_or_probe, str) else policy_or_probe.name
    ),
)
def test_each_probe_is_red_where_anyone_is_let_in(
    tmp_path: Path, authority: Authority, policy: Policy, probe: str
) -> None:
    with serving(both_ways(tmp_path, authority)) as port:
        assert judged(authority, policy, port, probe) is Finding.LET_IN


@pytest.mark.parametrize("policy", [STRICT, BY_HTTP], ids=lambda policy: policy.name)
def test_the_right_peer_is_red_where_nobody_is_let_in(
    tmp_path: Path, authority: Authority, policy: Policy
) -> None:
    context = server_context(tmp_path, Authority.create("another CA"))
    with serving(https(context)) as port:
        assert judged(authority, policy, port, "right") is Finding.SHUT_OUT


@pytest.mark.parametrize("probe", sorted({*STRICT.expects, *BY_HTTP.expects, *PLAIN.expects}))
def test_an_endpoint_that_is_down_is_no_evidence(authority: Authority, probe: str) -> None:
    with closed_port() as port:
        for policy in (STRICT, BY_HTTP, PLAIN):
            if probe in policy.expects:
                record = target(authority, policy, port).try_one(PROBES[probe])
                found = judge_probe(record, policy.expects[probe], up=False).finding
                assert found is Finding.NO_EVIDENCE


@pytest.mark.parametrize("probe", sorted(STRICT.expects))
def test_an_endpoint_that_closes_without_a_word_is_no_evidence(
    authority: Authority, probe: str
) -> None:
    with serving(closing) as port:
        assert judged(authority, STRICT, port, probe) is Finding.NO_EVIDENCE


# -- as it should be -------------------------------------------------------------------------


@contextlib.contextmanager
def strict_server(folder: Path, authority: Authority) -> Iterator[int]:
    """Mutual TLS by OpenSSL, which has tickets of its own: none here."""
    context = server_context(folder, authority)
    with serving(https(context)) as port:
        yield port


@pytest.mark.parametrize(
    "probe", ["right", "none", "expired", "foreign-ca", "tls-1.1", "bad-token"]
)
def test_mutual_tls_turns_each_away_for_its_reason(
    tmp_path: Path, authority: Authority, probe: str
) -> None:
    with strict_server(tmp_path, authority) as port:
        assert judged(authority, STRICT, port, probe) is Finding.PASS


def test_another_reason_is_no_pass(tmp_path: Path, authority: Authority) -> None:
    with strict_server(tmp_path, authority) as port:
        # Expired, where a foreign authority was expected to be the reason.
        record = target(authority, STRICT, port).try_one(PROBES["expired"])
    assert judge_probe(record, alert(45)).finding is Finding.PASS
    assert judge_probe(record, alert(48)).finding is Finding.WRONG_REASON
    assert judge_probe(record, status(401)).finding is Finding.WRONG_REASON


def test_401_is_no_pass_where_the_handshake_should_have_failed(
    tmp_path: Path, authority: Authority
) -> None:
    context = server_context(tmp_path, authority, verify=ssl.CERT_NONE)
    with serving(https(context, lambda _: 401)) as port:
        record = target(authority, STRICT, port).try_one(PROBES["none"])
    assert judge_probe(record, status(401)).finding is Finding.PASS
    assert judge_probe(record, STRICT.expects["none"]).finding is Finding.WRONG_REASON


# -- on records ------------------------------------------------------------------------------


def record(**more: object) -> ProbeRecord:
    plain: dict[str, object] = {
        "endpoint": "host/it",
        "probe": "none",
        "client": "host",
        "address": "127.0.0.1",
        "port": 1,
        "step": Step.ANSWER,
        "ended": Ended.ANSWERED,
        "seconds": 0.1,
        "time": 1,
    }
    return ProbeRecord.model_validate(plain | more)


def test_out_of_reach_counts_only_while_the_endpoint_is_up() -> None:
    away = record(step=Step.CONNECT, ended=Ended.NOT_CONNECTED)
    assert judge_probe(away, unreachable(), up=True).finding is Finding.PASS
    assert judge_probe(away, unreachable(), up=False).finding is Finding.NO_EVIDENCE
    assert judge_probe(away, status(401), up=True).finding is Finding.NO_EVIDENCE
    there = record(http=HttpAnswer(status=200))
    assert judge_probe(there, unreachable()).finding is Finding.LET_IN


def test_our_own_alert_is_no_refusal() -> None:
    own = record(
        step=Step.HANDSHAKE, ended=Ended.ALERT, alert=Alert(number=48, direction=Direction.SENT)
    )
    assert judge_probe(own, alert(48)).finding is Finding.NO_EVIDENCE


def test_a_server_error_decides_nothing() -> None:
    assert judge_probe(record(http=HttpAnswer(status=500)), status(403)).finding is (
        Finding.NO_EVIDENCE
    )


def test_the_alert_of_no_certificate_depends_on_the_version() -> None:
    expected = MUTUAL_TLS.expects["none"]
    alerts = {
        (version, number): judge_probe(
            record(ended=Ended.ALERT, tls=version, alert=Alert(number=number)), expected
        ).finding
        for version in ("TLSv1.2", "TLSv1.3")
        for number in (40, 116)
    }
    assert alerts == {
        ("TLSv1.2", 40): Finding.PASS,
        ("TLSv1.2", 116): Finding.WRONG_REASON,
        ("TLSv1.3", 40): Finding.WRONG_REASON,
        ("TLSv1.3", 116): Finding.PASS,
    }


def test_either_of_two_passes() -> None:
    expected = either(let_in(200), status(401))
    found = {
        code: judge_probe(record(http=HttpAnswer(status=code)), expected).finding
        for code in (200, 401, 403, 204)
    }
    assert found[200] is found[401] is Finding.PASS
    assert Finding.PASS not in (found[403], found[204])


def test_the_verdict_on_an_endpoint_counts_and_names_what_is_not_as_expected() -> None:
    policy = Policy("p", {"right": let_in(200), "none": status(401), "tls": no_tls()})
    there = endpoint(policy)
    records = [
        record(probe="right", http=HttpAnswer(status=200)),
        record(probe="none", http=HttpAnswer(status=200)),
    ]
    verdict = judge_identity("host", "a+b", records, {there.id: there})
    values = {measure.name: measure.value for measure in verdict.measures}
    assert values["probes_pass"] == 1
    assert values["probes_let_in"] == 1
    assert values["probe_seconds"] == 0.1
    assert len(verdict.problems) == 2  # let in, and not tried
    good = [replace_status(records[1], 401), records[0]]
    without_tls = replace(there, policy=policy.but(tls=None))
    assert judge_identity("host", "a+b", good, {there.id: without_tls}).passed


def replace_status(old: ProbeRecord, code: int) -> ProbeRecord:
    return old.model_copy(update={"http": HttpAnswer(status=code)})


def test_nothing_probed_and_nothing_declared_are_no_passes() -> None:
    there = endpoint(Policy("p", {"right": let_in()}))
    assert not judge_identity("host", "a+b", [], {there.id: there}).passed
    assert not judge_identity("host", "a+b", [], {}).passed
    stray = record(probe="right", endpoint="host/other", http=HttpAnswer(status=200))
    assert not judge_identity("host", "a+b", [stray], {there.id: there}).passed


@given(
    st.builds(
        record,
        step=st.sampled_from(Step),
        ended=st.sampled_from(Ended),
        alert=st.none() | st.builds(Alert, number=st.integers(0, 255)),
        http=st.none() | st.builds(HttpAnswer, status=st.integers(100, 599)),
        tls=st.sampled_from(["", "TLSv1.2", "TLSv1.3"]),
    ),
    st.sampled_from([let_in(), let_in(200), alert(48), status(401), no_tls(), unreachable()]),
    st.booleans(),
)
def test_any_record_gets_a_finding(seen: ProbeRecord, expected: Expected, up: bool) -> None:
    found = judge_probe(seen, expected, up=up)
    assert str(found)
    nothing = seen.alert is None and seen.http is None
    if found.passed and nothing:
        assert seen.ended in (Ended.ACCEPTED, Ended.NOT_TLS, Ended.NOT_CONNECTED)
