"""Jobs of a matrix on a control plane of a test, as they are or with a defect."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from edge_lab.cluster.kubectl import Kubectl
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from edge_lab.matrix.client import ClusterClient
from edge_lab.matrix.cluster import follow
from edge_lab.matrix.durations import read_durations
from edge_lab.matrix.load import load_matrix, plan_of
from edge_lab.matrix.objects import LABEL, Manifest, jobs_of, manifests
from edge_lab.matrix.verdict import ShardResult, read_results
from edge_lab.report.runs import ExitCode
from tests.matrix.kubelet import LAB
from tests.matrix.site import CODES, EXPECTED, write_matrix


def run_whole(matrix: Path, folder: Path, deadline: Deadline) -> None:
    """`lab matrix run` of EXPECTED, by the kubeconfig of the environment; checks what it tells.

    In the working folder of the image. `folder` is for results.
    """
    output, durations = folder / "out", folder / "durations.json"
    done = subprocess.run(
        [
            *(sys.executable, "-c", LAB, "matrix", "run", str(matrix), "--on", "cluster"),
            *("--output", str(output), "--durations", str(durations)),
        ],
        capture_output=True,
        text=True,
        timeout=deadline.remaining,
        env=dict(os.environ),
    )
    assert done.returncode == ExitCode.LAB_BROKE_AND_FAILED, done.stdout + done.stderr
    results = read_results(output)
    assert {name_of(each): each.code for each in results.shards} == CODES
    assert {name_of(each): len(each.attempts) for each in results.shards} == EXPECTED
    merged = list((output / "merged" / "allure-results").glob("*-result.json"))
    assert len(merged) == len(EXPECTED)
    measured = read_durations(durations).measured
    assert {each.suite for each in measured} == {
        f"suites/test_{name}.py" for name, code in CODES.items() if code != ExitCode.LAB_BROKE
    }


def run_job(
    image: Path,
    results: Path,
    name: str,
    *suites: str,
    deadline: Deadline,
    change: Callable[[Manifest], None] = lambda job: None,
) -> dict[int, int | None]:
    """Runs the shards by the objects, in which the Job is changed; gives their exit codes.

    In the working folder of the image.
    """
    matrix = load_matrix(write_matrix(image, *suites, results=results))
    assert matrix.cluster is not None
    plan = plan_of(matrix)
    access = ClusterClient("default")
    config, job = manifests(plan, matrix.cluster, name)
    change(job)
    for manifest in (config, job):
        access.create(manifest)
    try:
        ended = follow(access, jobs_of(plan, name), lambda shard: None, deadline)
    finally:
        access.delete("Job", name)
        access.delete("ConfigMap", name)
    return {each.index: each.code for each in ended}


def name_of(shard: ShardResult) -> str:
    """The name of its one test."""
    assert shard.judged
    assert shard.judged.record
    return Path(shard.judged.record.shard.files[0].path).stem.removeprefix("test_")


def left_over(kubectl: Kubectl, deadline: Deadline) -> list[str]:
    """Objects of matrices; pods go a little later than their Job."""

    def found() -> list[str]:
        return [
            each["metadata"]["name"]
            for kind in ("jobs", "configmaps", "pods")
            for each in kubectl.items(
                kind, "-n", "default", "-l", f"{LABEL}=small", deadline=deadline
            )
        ]

    with contextlib.suppress(DeadlineExceeded):
        deadline.wait_for("nothing is left", lambda: not found())
    return found()


def forget_records(job: Manifest) -> None:
    """Each pod has a folder of its own, and does not see that its shard has run."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (run,) = [each for each in container["env"] if each["name"] == "EDGE_LAB_RUN"]
    run["valueFrom"]["fieldRef"]["fieldPath"] = "metadata.uid"


def forget_policy(job: Manifest) -> None:
    del job["spec"]["podFailurePolicy"]
