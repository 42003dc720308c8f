"""What a pod sees of its node by the namespaces that it asked for."""

from __future__ import annotations

import pytest

from edge_lab.addons.hostile.settings import Setting
from edge_lab.core.errors import LabError
from edge_lab.oracles.sandbox import judge_attempts
from edge_lab.oracles.sandbox.aimed import with_host_network
from edge_lab.oracles.sandbox.attempts import Finding
from edge_lab.oracles.sandbox.namespaces import MOST_WITHOUT_HOST_PID, shows_the_nodes_processes
from edge_lab.oracles.sandbox.records import AttemptRecord, Ended
from tests.oracles.sandbox.seen import attempt, run_of, sandboxed

LOCAL = {"tcp-host-hub": with_host_network("hub")}


@pytest.mark.parametrize(
    ("processes", "shown"),
    [(1, False), (MOST_WITHOUT_HOST_PID, False), (MOST_WITHOUT_HOST_PID + 1, True)],
)
def test_a_node_has_more_processes_than_a_sandbox(processes: int, shown: bool) -> None:
    assert shows_the_nodes_processes(sandboxed(processes=processes)) is shown


@pytest.mark.parametrize(("processes", "errno"), [(0, ""), (0, "EACCES"), (4, "EIO")])
def test_processes_that_were_not_counted_are_no_evidence(processes: int, errno: str) -> None:
    with pytest.raises(LabError):
        shows_the_nodes_processes(sandboxed(processes=processes, processes_errno=errno))


@pytest.mark.parametrize(
    ("record", "finding"),
    [
        (attempt("tcp-host-hub", errno="ENETUNREACH"), Finding.PASS),
        (attempt("tcp-host-hub", errno="ECONNREFUSED"), Finding.WRONG_REASON),
        (attempt("tcp-host-hub", reached=True), Finding.REACHED),
        *(
            (attempt("tcp-host-hub", ended=ended), Finding.NO_EVIDENCE)
            for ended in Ended
            if ended is not Ended.ANSWERED
        ),
    ],
)
def test_a_sandbox_with_host_network_is_refused_and_says_so(
    record: AttemptRecord, finding: Finding
) -> None:
    verdict = judge_attempts("n", "s", Setting.GVISOR_DEFAULT, run_of(record), LOCAL)
    assert [judgement.finding for judgement in verdict.judged] == [finding]
    assert verdict.passed is (finding is Finding.PASS)
