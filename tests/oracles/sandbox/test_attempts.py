"""The verdict on attempts: as declared, and each way in which it is not."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.addons.hostile.settings import CONTAINER_SETTINGS, Setting
from edge_lab.core.errors import LabError
from edge_lab.data import IMAGES
from edge_lab.oracles.sandbox import AttemptRun, AttemptsVerdict, judge_attempts, parse_attempts
from edge_lab.oracles.sandbox.aimed import (
    API,
    BESIDE_THE_MOUNT,
    DEVICE,
    HOST_PATH,
    MANAGEMENT_PATH,
    METADATA,
    NEEDS_A_ROLE,
    NEEDS_THE_SERVICE,
    RUNTIME_SOCKET,
    on_loopback,
    on_the_wire,
    with_host_network,
)
from edge_lab.oracles.sandbox.attempts import Finding
from edge_lab.oracles.sandbox.expected import Row, either, reached, refused, same
from edge_lab.oracles.sandbox.otherpods import (
    CREDENTIALS,
    HOST_PID,
    NEEDS_HOST_PID,
    NEEDS_THE_KUBELETS_FOLDER,
    NEEDS_TO_REQUEST,
    NEIGHBOUR,
    NODE_KEY,
    POD_NETWORK,
)
from edge_lab.oracles.sandbox.records import AttemptRecord, Ended, parse_bomb
from edge_lab.oracles.sandbox.table import KERNEL, kernel_rows
from tests.budget import examples
from tests.oracles.sandbox.seen import attempt, run_of

AGENTS = {"tcp-loopback-hub": on_loopback("hub"), "tcp-wire-kubelet": on_the_wire("kubelet")}
AGENTS |= {"tcp-host-hub": with_host_network("hub"), **MANAGEMENT_PATH}
ALL = {**KERNEL, **METADATA, **AGENTS, **DEVICE, **API, **HOST_PATH, **RUNTIME_SOCKET}
ALL |= {**POD_NETWORK, **NEIGHBOUR, **HOST_PID, **CREDENTIALS, **NODE_KEY}
DEFAULT = Setting.RUNC_DEFAULT


def judged(run: AttemptRun, declared: Mapping[str, Row]) -> AttemptsVerdict:
    return judge_attempts("edge-arm", "kubernetes+kubelet", DEFAULT, run, declared)


def as_declared(setting: Setting) -> AttemptRun:
    """A run in which everything comes out as the table has it."""
    found = []
    for name, row in KERNEL.items():
        expected = row.expects[setting]
        refusal = min(expected.refusals, default="")
        found.append(attempt(name, reached=expected.reached, errno=refusal))
    return run_of(*found)


@pytest.mark.parametrize("setting", CONTAINER_SETTINGS, ids=str)
def test_what_comes_out_as_declared_passes(setting: Setting) -> None:
    verdict = judge_attempts(
        "edge-arm", "kubernetes+kubelet", setting, as_declared(setting), KERNEL
    )
    assert verdict.passed, str(verdict)
    assert len(verdict.judged) == len(KERNEL)


def test_what_runc_lets_through_is_red_for_a_sandbox() -> None:
    """The control: a pod that is meant to be sandboxed and ran under runc."""
    setting = Setting.GVISOR_DEFAULT
    run = as_declared(Setting.RUNC_DEFAULT)
    verdict = judge_attempts("edge-arm", "kubernetes+kubelet", setting, run, KERNEL)
    let = {
        judgement.attempt for judgement in verdict.judged if judgement.finding is Finding.REACHED
    }
    assert let >= {"io-uring", "add-key", "raw-socket", "packet-socket", "personality", "kcmp"}


OPEN, SHUT = {"a": same("a", reached())}, {"a": same("a", refused("EPERM", "HTTP 403"))}


@pytest.mark.parametrize(
    ("record", "declared", "finding"),
    [
        (attempt("a", reached=True), OPEN, Finding.PASS),
        (attempt("a", reached=True, errno="EINVAL"), OPEN, Finding.PASS),
        (attempt("a", errno="EPERM"), OPEN, Finding.REFUSED),
        (attempt("a", errno="EPERM"), SHUT, Finding.PASS),
        (attempt("a", status=403), SHUT, Finding.PASS),
        (attempt("a", status=401), SHUT, Finding.WRONG_REASON),
        (attempt("a", errno="ENOSYS"), SHUT, Finding.WRONG_REASON),
        (attempt("a"), SHUT, Finding.WRONG_REASON),
        (attempt("a", reached=True), SHUT, Finding.REACHED),
        (attempt("a", ended=Ended.TIMED_OUT), SHUT, Finding.NO_EVIDENCE),
        (attempt("a", ended=Ended.KILLED), SHUT, Finding.NO_EVIDENCE),
        (attempt("a", ended=Ended.SILENT), OPEN, Finding.NO_EVIDENCE),
    ],
)
def test_each_finding_comes_by_itself(
    record: AttemptRecord, declared: dict[str, Row], finding: Finding
) -> None:
    verdict = judged(run_of(record), declared)
    assert [judgement.finding for judgement in verdict.judged] == [finding]
    assert verdict.passed is (finding is Finding.PASS)


def test_either_of_two_outcomes_passes() -> None:
    declared = {"a": same("a", either(reached(), refused("ENOSYS")))}
    assert judged(run_of(attempt("a", reached=True)), declared).passed
    assert judged(run_of(attempt("a", errno="ENOSYS")), declared).passed
    assert not judged(run_of(attempt("a", errno="EPERM")), declared).passed


@pytest.mark.parametrize(
    ("run", "declared"),
    [
        (run_of(), OPEN),
        (run_of(attempt("a", reached=True), complete=False), OPEN),
        (run_of(attempt("a", reached=True), attempt("b", errno="EPERM")), OPEN),
        (run_of(), {}),
    ],
    ids=["not made", "not through", "nobody declared it", "nothing"],
)
def test_what_is_missing_is_no_pass(run: AttemptRun, declared: dict[str, Row]) -> None:
    verdict = judged(run, declared)
    assert not verdict.passed
    assert all(
        judgement.finding in (Finding.PASS, Finding.NO_EVIDENCE) for judgement in verdict.judged
    )


@pytest.mark.parametrize("name", ALL)
def test_each_row_says_what_is_expected_in_each_setting(name: str) -> None:
    row = ALL[name]
    assert set(row.expects) == set(CONTAINER_SETTINGS)
    assert row.title
    for setting, expected in row.expects.items():
        assert all(outcome.reached or outcome.refusals for outcome in expected), setting


@pytest.mark.parametrize("name", KERNEL)
def test_each_attempt_can_succeed_in_one_setting(name: str) -> None:
    """Without one, that it fails elsewhere would prove nothing."""
    possible = any(
        outcome.reached for expected in KERNEL[name].expects.values() for outcome in expected
    )
    assert possible


@pytest.mark.parametrize("name", sorted(set(ALL) - set(KERNEL)))
def test_each_aim_is_reached_in_one_setting_or_by_a_control(name: str) -> None:
    alone = {
        "tcp-loopback-hub",
        "tcp-management",
        *NEEDS_A_ROLE,
        *BESIDE_THE_MOUNT,
        *NEEDS_THE_SERVICE,
        *NEEDS_HOST_PID,
        *NEEDS_THE_KUBELETS_FOLDER,
        *NEEDS_TO_REQUEST,
        "node-secret-other",
    }
    possible = any(
        outcome.reached for expected in ALL[name].expects.values() for outcome in expected
    )
    assert possible is (name not in alone)


@pytest.mark.parametrize("name", sorted(ALL))
def test_no_row_accepts_whatever_comes(name: str) -> None:
    """One that is reached or refused by several errors at will tells nothing apart."""
    for setting, expected in ALL[name].expects.items():
        kinds = list(expected)
        if any(outcome.reached for outcome in kinds):
            refusals = {refusal for outcome in kinds for refusal in outcome.refusals}
            assert len(refusals) <= 1, setting


@pytest.mark.parametrize(
    ("scope", "reaching"),
    [(0, 3), (1, 1), (2, 1), (3, 0)],
)
def test_tracing_is_expected_by_the_nodes_own_setting(scope: int, reaching: int) -> None:
    rows = kernel_rows(scope)
    assert {name for name in rows if rows[name] != KERNEL[name]} == (
        {"ptrace-init"} if scope else set()
    )
    expects = rows["ptrace-init"].expects
    under_runc = [expects[setting] for setting in CONTAINER_SETTINGS if not setting.sandboxed]
    assert sum(expected.reached for expected in under_runc) == reaching
    assert all(
        expects[setting] == KERNEL["ptrace-init"].expects[setting]
        for setting in Setting
        if setting.sandboxed
    )


def test_the_table_has_the_attempts_of_the_program() -> None:
    source = (IMAGES / "go/hostile/internal/attempt/table.go").read_text(encoding="utf-8")
    listed = [line.split('"')[1] for line in source.splitlines() if '{Name: "' in line]
    assert listed == sorted(KERNEL, key=listed.index)
    assert set(listed) == set(KERNEL)


def test_attempts_are_read_as_far_as_they_have_come() -> None:
    lines = [attempt("a", errno="EPERM").model_dump_json(), attempt("b").model_dump_json()]
    assert not parse_attempts("\n".join(lines)).complete
    assert parse_attempts("\n".join([*lines, '{"done":2}'])).complete
    assert not parse_attempts("\n".join([lines[0], '{"done":2}'])).complete
    assert [record.attempt for record in parse_attempts(lines[0] + '\n{"att').records] == ["a"]
    with pytest.raises(LabError, match="ended"):
        parse_attempts('{"attempt":"a","ended":"somehow","reached":false}')


@settings(max_examples=examples(60))
@given(
    st.lists(
        st.builds(
            lambda name, ended, reached, errno: attempt(
                name, ended=ended, reached=reached, errno=errno
            ),
            st.sampled_from([*KERNEL, "other"]),
            st.sampled_from(Ended),
            st.booleans(),
            st.sampled_from(["", "EPERM", "ENOSYS"]),
        )
    ),
    st.sampled_from(CONTAINER_SETTINGS),
    st.booleans(),
)
def test_whatever_a_pod_tried_there_is_a_verdict(
    records: list[AttemptRecord], setting: Setting, complete: bool
) -> None:
    run = run_of(*records, complete=complete)
    verdict = judge_attempts("n", "s", setting, run, KERNEL)
    assert len(verdict.judged) == len(KERNEL)
    assert str(verdict)


def test_of_a_bomb_the_last_line_counts() -> None:
    lines = [
        '{"bomb":"memory","limit":512,"reached":16,"done":false,"errno":"","detail":""}',
        '{"bomb":"memory","limit":512,"reached":32,"done":true,"errno":"ENOMEM","detail":"x"}',
    ]
    first, last = parse_bomb(lines[0]), parse_bomb("\n".join(lines))
    assert first is not None
    assert last is not None
    assert (first.reached, first.done) == (16, False)
    assert (last.reached, last.done, last.errno) == (32, True, "ENOMEM")
    assert parse_bomb("xxx\n") is None
