"""Rows of attempts at other pods, and the evidence of a node that was, or was not, deceived."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.addons.hostile.settings import CONTAINER_SETTINGS, Setting
from edge_lab.core.errors import LabError
from edge_lab.data import IMAGES
from edge_lab.oracles.sandbox import judge_attempts, parse_attempts
from edge_lab.oracles.sandbox.attempts import Finding
from edge_lab.oracles.sandbox.otherpods import (
    CREDENTIALS,
    HOST_PID,
    NEEDS_HOST_PID,
    NODE_KEY,
    POD_NETWORK,
    host_pid_rows,
)
from edge_lab.oracles.sandbox.records import NO_EFFECT, AttemptRun
from edge_lab.oracles.sandbox.spoofing import (
    ARP,
    IP,
    NeighbourTable,
    NodeEvidence,
    confirmed,
    parse_counter,
    parse_neighbours,
    unreported,
)
from tests.budget import examples
from tests.oracles.sandbox.seen import attempt, run_of

VICTIM, ATTACKER = "10.42.2.9", "10.42.2.7"
VICTIMS_MAC, ATTACKERS_MAC, ANOTHER_MAC = "02:00:00:00:00:09", "02:00:00:00:00:07", "02:00:00:ff"
BEFORE: NeighbourTable = {VICTIM: VICTIMS_MAC}
HONEST: NeighbourTable = {VICTIM: VICTIMS_MAC, ATTACKER: ATTACKERS_MAC}
DECEIVED: NeighbourTable = {VICTIM: ATTACKERS_MAC, ATTACKER: ATTACKERS_MAC}
SENT = run_of(attempt(ARP, reached=True), attempt(IP, reached=True))
REFUSED = run_of(attempt(ARP, errno="EPERM"), attempt(IP, errno="EPERM"))


def evidence(*tables: NeighbourTable, datagrams: int = 0, attacker: str = ATTACKER) -> NodeEvidence:
    return NodeEvidence(VICTIM, VICTIMS_MAC, attacker, list(tables), datagrams)


def findings(setting: Setting, run: AttemptRun) -> dict[str, Finding]:
    verdict = judge_attempts("edge-arm", "kubernetes+kubelet", setting, run, POD_NETWORK)
    return {judgement.attempt: judgement.finding for judgement in verdict.judged}


def test_a_node_that_was_deceived_was_reached() -> None:
    seen = evidence(BEFORE, DECEIVED, HONEST, datagrams=5)
    run = confirmed(SENT, seen)
    assert run == SENT
    assert unreported(run, seen) == ()
    assert set(findings(Setting.RUNC_DEFAULT, run).values()) == {Finding.PASS}
    assert set(findings(Setting.GVISOR_DEFAULT, run).values()) == {Finding.REACHED}


@pytest.mark.parametrize(
    ("seen", "effects"),
    [
        (evidence(HONEST), []),
        (evidence(), []),
        (evidence({}), []),
        (evidence(DECEIVED), [ARP]),
        (evidence(HONEST, datagrams=1), [IP]),
    ],
)
def test_what_was_sent_and_had_no_effect_is_not_reached(
    seen: NodeEvidence, effects: list[str]
) -> None:
    """The planted defect: the pod says that it succeeded in both."""
    run = confirmed(SENT, seen)
    assert [record.attempt for record in run.records if record.reached] == effects
    assert {record.refusal for record in run.records if not record.reached} <= {NO_EFFECT}
    assert {
        name
        for name, finding in findings(Setting.RUNC_DEFAULT, run).items()
        if finding is not Finding.PASS
    } == {ARP, IP} - set(effects)
    # Nor is it what a row of a refusal expects.
    without = {ARP, IP} - set(effects)
    under_gvisor = findings(Setting.GVISOR_DEFAULT, run)
    assert {under_gvisor[name] for name in without} <= {Finding.WRONG_REASON}


def test_an_effect_that_no_pod_reports_is_told() -> None:
    seen = evidence(DECEIVED, datagrams=2)
    assert unreported(REFUSED, seen) == (ARP, IP)
    assert unreported(REFUSED, evidence(HONEST)) == ()
    assert confirmed(REFUSED, seen) == REFUSED


@pytest.mark.parametrize(
    "seen",
    [
        evidence({VICTIM: ANOTHER_MAC}),
        evidence(DECEIVED, attacker=""),
        evidence({VICTIM: ANOTHER_MAC}, {VICTIM: VICTIMS_MAC}, attacker=""),
    ],
)
def test_a_change_that_nobody_can_be_blamed_for_is_the_labs_error(seen: NodeEvidence) -> None:
    with pytest.raises(LabError):
        assert seen.redirected


def test_the_mac_of_a_third_is_not_the_attackers() -> None:
    third = {VICTIM: ANOTHER_MAC, ATTACKER: ATTACKERS_MAC}
    assert not evidence(HONEST, third).redirected


def test_a_neighbour_table_is_read_as_ip_prints_it() -> None:
    text = (
        '[{"dst":"10.42.2.9","lladdr":"02:00:00:00:00:09","state":["REACHABLE"]},'
        '{"dst":"10.42.2.8","state":["FAILED"]}]'
    )
    assert parse_neighbours(text) == BEFORE
    assert parse_neighbours("[ ]\n") == parse_neighbours("") == {}


def listing(*rules: list[dict[str, Any]]) -> str:
    head: list[dict[str, Any]] = [{"metainfo": {"version": "1.1.3"}}, {"table": {"name": "t"}}]
    return json.dumps({"nftables": head + [{"rule": {"expr": expr}} for expr in rules]})


def counting(packets: int) -> list[dict[str, Any]]:
    return [{"match": {"op": "=="}}, {"counter": {"packets": packets, "bytes": 32 * packets}}]


def test_a_counter_is_read_as_nft_prints_it() -> None:
    assert parse_counter(listing([{"drop": None}], counting(5))) == 5
    for text in ("", "[]", "{}", listing(), listing(counting(1), counting(2))):
        with pytest.raises(LabError):
            parse_counter(text)


@settings(max_examples=examples(60))
@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_what_is_no_answer_of_the_node_is_the_labs_error(text: str) -> None:
    for parse in (parse_neighbours, parse_counter):
        with contextlib.suppress(LabError):
            assert parse(text) in ({}, 0)


# -- rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scope", "reaching"), [(0, 2), (1, 1), (2, 1), (3, 0)])
def test_other_pods_are_traced_by_the_nodes_own_setting(scope: int, reaching: int) -> None:
    rows = host_pid_rows(scope)
    for name in ("seize-host-pid", "memory-host-pid"):
        assert (
            sum(rows[name].expects[setting].reached for setting in CONTAINER_SETTINGS) == reaching
        )
    # Yama has no say in what is only read.
    assert rows["token-host-pid"] == HOST_PID["token-host-pid"]
    assert set(rows) == set(HOST_PID)


def test_each_attempt_at_a_process_has_its_control_with_host_pid() -> None:
    for alone, control in NEEDS_HOST_PID.items():
        assert any(outcome.reached for outcome in HOST_PID[control].expects.values()), alone


def test_no_sandbox_reaches_another_pods_process_or_address() -> None:
    for name, row in {**POD_NETWORK, **HOST_PID}.items():
        assert not any(row.expects[setting].reached for setting in Setting if setting.sandboxed), (
            name
        )


def test_the_program_has_an_attempt_for_each_row() -> None:
    folder = IMAGES / "go/hostile/internal/attempt"
    source = "\n".join(
        (folder / name).read_text(encoding="utf-8")
        for name in ("spoof.go", "process.go", "credentials.go", "api.go")
    )
    for name in (*POD_NETWORK, *CREDENTIALS, *NODE_KEY):
        assert f'"{name}"' in source, name
    for name in HOST_PID:
        assert f'"{name.removesuffix("host-pid")}"' in source, name


def test_what_a_pod_prints_does_not_say_that_it_had_no_effect() -> None:
    """The field is the host's: what a pod prints of it would only be to its disadvantage."""
    line = attempt(ARP, reached=True).model_dump_json()
    run = parse_attempts(f'{line}\n{{"done":1}}')
    assert not run.records[0].without_effect
