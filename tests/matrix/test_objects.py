"""The Kubernetes objects of a plan, and the state of shards that they lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_lab.core.errors import InputError
from edge_lab.matrix.model import Cluster
from edge_lab.matrix.objects import (
    OWN_MIB,
    PLAN_FILE,
    RETRIED,
    Manifest,
    ShardJob,
    check_topologies,
    jobs_of,
    manifests,
)
from edge_lab.matrix.plan import Plan
from edge_lab.matrix.states import ShardState, indexes, is_over, progress_of
from edge_lab.report.runs import ExitCode
from tests.conftest import ROOT
from tests.matrix.plans import plan, shard

PLAN = plan(shard(0), shard(1), shard(2, memory_mib=7296, cpus=5))


def cluster(**more: Any) -> Cluster:
    fields = {"image": "registry.example.org/edge-lab:1", "results": {"claim": "results"}, **more}
    return Cluster.model_validate(fields)


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def jobs(of: Plan = PLAN, **more: Any) -> list[Manifest]:
    return [each for each in manifests(of, cluster(**more), "m") if each["kind"] == "Job"]


def container(job: Manifest) -> Manifest:
    (only,) = job["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def test_shards_that_need_the_same_are_a_job_and_its_pods_find_theirs() -> None:
    first, second = jobs()
    assert [job["metadata"]["name"] for job in (first, second)] == ["m-1", "m-2"]
    assert [job["spec"]["completions"] for job in (first, second)] == [2, 1]
    assert all(job["spec"]["completionMode"] == "Indexed" for job in (first, second))
    assert "--first=0" in container(first)["args"]
    assert "--first=2" in container(second)["args"]


def test_a_pod_asks_for_what_its_lab_and_the_framework_need() -> None:
    first, second = (container(job)["resources"] for job in jobs())
    assert first["requests"]["memory"] == first["limits"]["memory"] == f"{4864 + OWN_MIB}Mi"
    assert (first["requests"]["cpu"], second["requests"]["cpu"]) == ("4", "5")
    assert "cpu" not in first["limits"]
    assert container(jobs(cpus=2)[0])["resources"]["requests"]["cpu"] == "2"


def test_kvm_is_asked_for_only_where_the_matrix_does() -> None:
    assert not any("kvm" in name for name in container(jobs()[0])["resources"]["limits"])
    resources = container(jobs(kvm="devices.kubevirt.io/kvm")[0])["resources"]
    assert resources["limits"]["devices.kubevirt.io/kvm"] == "1"
    assert resources["requests"]["devices.kubevirt.io/kvm"] == "1"


def test_a_broken_lab_is_retried_once_and_a_failed_product_never() -> None:
    spec = jobs()[0]["spec"]
    assert spec["backoffLimitPerIndex"] == 1
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    ignored, failed = spec["podFailurePolicy"]["rules"]
    assert ignored["action"] == "Ignore"
    assert failed["action"] == "FailIndex"
    assert failed["onExitCodes"]["operator"] == "NotIn"
    assert failed["onExitCodes"]["values"] == sorted(RETRIED)
    assert int(ExitCode.LAB_BROKE) in RETRIED
    assert not {1, 2, 3, 4, 5, 11} & set(RETRIED)


def test_the_plan_goes_along_and_is_what_the_pods_run() -> None:
    config, job, _ = manifests(PLAN, cluster(), "m")
    assert Plan.model_validate_json(config["data"][PLAN_FILE]) == PLAN
    assert container(job)["args"][:4] == ["lab", "matrix", "shard", f"/etc/edge-lab/{PLAN_FILE}"]


def test_results_and_cache_come_from_where_the_matrix_says() -> None:
    job = jobs(results={"host-path": "/srv/results"}, cache={"claim": "c", "archive": "a/b.tar"})[0]
    volumes = {each["name"]: each for each in job["spec"]["template"]["spec"]["volumes"]}
    assert volumes["results"]["hostPath"]["path"] == "/srv/results"
    assert volumes["cache-archive"]["persistentVolumeClaim"]["claimName"] == "c"
    assert "--cache=/cache-archive/a/b.tar" in container(job)["args"]
    assert not any(word.startswith("--cache") for word in container(jobs()[0])["args"])


@pytest.mark.parametrize(("given", "of_first"), [(None, 2), (1, 1), (9, 2)])
def test_no_more_pods_run_at_a_time_than_the_matrix_allows(
    given: int | None, of_first: int
) -> None:
    assert jobs(parallelism=given)[0]["spec"]["parallelism"] == of_first


def test_a_topology_with_real_hardware_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "labs" / "minimal.yaml").read_text()
    real = (
        "  - {name: plc, endpoint: plc, network: plant, address: 10.78.0.9, host-interface: eth9}"
    )
    file = tmp_path / "real.yaml"
    file.write_text(text.replace("\ndevices:", f"{real}\n\ndevices:"))
    with pytest.raises(InputError, match="plc"):
        check_topologies([shard(0, topology=str(file))])
    check_topologies(PLAN.shards)


# -- States ----------------------------------------------------------------------------------

JOB = ShardJob("m", PLAN.shards[:2])


def pod(
    index: int, phase: str, code: int | None = None, created: int = 0, **status: Any
) -> Manifest:
    if code is not None:
        state = {"terminated": {"exitCode": code}}
        status["containerStatuses"] = [{"name": "shard", "state": state}]
    return {
        "metadata": {
            "labels": {"batch.kubernetes.io/job-completion-index": str(index)},
            "creationTimestamp": f"2026-01-01T00:00:0{created}Z",
        },
        "status": {"phase": phase, **status},
    }


def states(status: Manifest, *pods: Manifest) -> list[tuple[ShardState, int, int | None]]:
    return [(each.state, each.pods, each.code) for each in progress_of(JOB, status, pods)]


def test_shards_wait_run_and_end() -> None:
    assert states({}) == [(ShardState.WAITING, 0, None)] * 2
    assert states({}, pod(1, "Running")) == [
        (ShardState.WAITING, 0, None),
        (ShardState.RUNNING, 1, None),
    ]
    ended = {"completedIndexes": "0", "failedIndexes": "1"}
    assert states(ended, pod(0, "Succeeded", 0), pod(1, "Failed", 1)) == [
        (ShardState.PASSED, 1, 0),
        (ShardState.FAILED, 1, 1),
    ]


def test_a_shard_is_retried_until_the_job_says_otherwise() -> None:
    assert states({}, pod(0, "Failed", 10))[0] == (ShardState.RETRIED, 1, 10)
    assert states({}, pod(0, "Failed"))[0] == (ShardState.RETRIED, 1, None)
    assert states({}, pod(0, "Failed", 1))[0] == (ShardState.ENDED, 1, 1)
    assert states({}, pod(0, "Succeeded", 0))[0] == (ShardState.ENDED, 1, 0)
    twice = (pod(0, "Failed", 10), pod(0, "Failed", 10, created=5))
    assert states({}, *twice)[0] == (ShardState.ENDED, 2, 10)
    again = (pod(0, "Running", created=5), pod(0, "Failed", 10))
    assert states({}, *again)[0] == (ShardState.RUNNING, 2, None)


def test_a_pod_that_waits_says_why() -> None:
    unschedulable = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available",
    }
    image = [{"name": "shard", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]
    told = progress_of(
        JOB,
        {},
        [
            pod(0, "Pending", conditions=[unschedulable]),
            pod(1, "Pending", containerStatuses=image),
        ],
    )
    assert [each.detail for each in told] == [
        "Unschedulable: 0/1 nodes are available",
        "ImagePullBackOff",
    ]


def test_shards_of_a_later_job_have_their_numbers_of_the_plan() -> None:
    _, later = jobs_of(PLAN, "m")
    assert [each.index for each in progress_of(later, {}, ())] == [2]


def test_indexes_are_read_as_kubernetes_writes_them() -> None:
    assert indexes("0,3-5,7") == {0, 3, 4, 5, 7}
    assert indexes("") == set()


def test_a_job_is_over_when_it_is_complete_or_has_failed() -> None:
    assert not is_over({})
    assert not is_over({"conditions": [{"type": "FailureTarget", "status": "True"}]})
    for kind in ("Complete", "Failed"):
        assert is_over({"conditions": [{"type": kind, "status": "True"}]})
        assert not is_over({"conditions": [{"type": kind, "status": "False"}]})
