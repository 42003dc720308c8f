"""Shards on a real control plane, whose one node is a stand-in that runs pods as processes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.matrix.client import ClusterClient
from edge_lab.matrix.cluster import follow
from edge_lab.matrix.durations import read_durations
from edge_lab.matrix.load import load_matrix, plan_of
from edge_lab.matrix.objects import LABEL, Manifest, jobs_of, manifests
from edge_lab.matrix.verdict import ShardResult, read_results
from edge_lab.report.runs import ExitCode
from edge_lab.topology import Timing, Topology
from tests.controlplane import NativeControlPlane, control_plane
from tests.matrix.kubelet import KVM, LAB, StandIn, stand_in
from tests.matrix.site import CODES, EXPECTED, make_image, runs, write_matrix

pytestmark = pytest.mark.native(reason="starts a control plane, and runs shards on it")

SECONDS = 120.0
FLAGS = (
    "--allow-privileged=true",
    # Otherwise it speaks SPDY to kubelets, and not as its client does.
    "--feature-gates=TranslateStreamCloseWebsocketRequests=false",
)


@dataclass(frozen=True)
class Site:
    plane: NativeControlPlane
    node: StandIn
    image: Path
    results: Path

    @property
    def kubeconfig(self) -> Path:
        return self.plane.kubectl.kubeconfig


@pytest.fixture(scope="module")
def site(default_topology: Topology) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="el") as name:
        folder = Path(name)
        image = make_image(folder / "image")
        (folder / "volumes").mkdir()
        with (
            control_plane(folder / "plane", default_topology, Timing(), *FLAGS) as plane,
            stand_in(
                plane.kubectl.kubeconfig,
                image,
                folder / "volumes",
                plane.folder / "server.crt",
                plane.folder / "server.key",
            ) as node,
        ):
            yield Site(plane, node, image, folder / "results")


@pytest.fixture(autouse=True)
def in_the_image(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.image)
    monkeypatch.setenv("KUBECONFIG", str(site.kubeconfig))
    (site.image / "ran.log").unlink(missing_ok=True)


def run_objects(
    site: Site, name: str, *suites: str, change: Callable[[Manifest], None] = lambda job: None
) -> dict[int, int | None]:
    """Runs the shards by the objects, in which the Job is changed; gives their exit codes."""
    matrix = load_matrix(write_matrix(site.image, *suites, results=site.results))
    assert matrix.cluster is not None
    plan = plan_of(matrix)
    access = ClusterClient("default")
    config, job = manifests(plan, matrix.cluster, name)
    change(job)
    for manifest in (config, job):
        access.create(manifest)
    try:
        ended = follow(access, jobs_of(plan, name), lambda shard: None, Deadline.scaled(SECONDS))
    finally:
        access.delete("Job", name)
        access.delete("ConfigMap", name)
    return {each.index: each.code for each in ended}


def test_only_a_broken_lab_is_run_again_and_the_whole_is_told(site: Site, tmp_path: Path) -> None:
    matrix = write_matrix(site.image, *EXPECTED, results=site.results)
    done = subprocess.run(
        [
            *(sys.executable, "-c", LAB, "matrix", "run", str(matrix), "--on", "cluster"),
            *("--output", str(tmp_path / "out")),
            *("--durations", str(tmp_path / "durations.json")),
        ],
        capture_output=True,
        text=True,
        timeout=Deadline.scaled(SECONDS).remaining,
        env=dict(os.environ),
    )
    assert done.returncode == ExitCode.LAB_BROKE_AND_FAILED, done.stdout + done.stderr
    assert runs(site.image) == EXPECTED
    assert site.node.problems == []
    results = read_results(tmp_path / "out")
    assert {name_of(each): each.code for each in results.shards} == CODES
    assert {name_of(each): len(each.attempts) for each in results.shards} == EXPECTED
    merged = list((tmp_path / "out" / "merged" / "allure-results").glob("*-result.json"))
    assert len(merged) == len(EXPECTED)
    measured = read_durations(tmp_path / "durations.json").measured
    assert {each.suite for each in measured} == {
        f"suites/test_{name}.py" for name, code in CODES.items() if code != ExitCode.LAB_BROKE
    }
    assert left_over(site) == []


def name_of(shard: ShardResult) -> str:
    assert shard.judged
    assert shard.judged.record
    return Path(shard.judged.record.shard.files[0].path).stem.removeprefix("test_")


def left_over(site: Site) -> list[str]:
    """Objects of matrices; pods go a little later than their Job."""
    kubectl, limit = site.plane.kubectl, Deadline.scaled(SECONDS)
    gone = ("jobs", "configmaps", "pods")

    def found() -> list[str]:
        return [
            each["metadata"]["name"]
            for kind in gone
            for each in kubectl.items(kind, "-n", "default", "-l", f"{LABEL}=small", deadline=limit)
        ]

    with contextlib.suppress(DeadlineExceeded):
        limit.wait_for("nothing is left", lambda: not found())
    return found()


def forget_records(job: Manifest) -> None:
    """Each pod has a folder of its own, and does not see that its shard has run."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (run,) = [each for each in container["env"] if each["name"] == "EDGE_LAB_RUN"]
    run["valueFrom"]["fieldRef"]["fieldPath"] = "metadata.uid"


def forget_policy(job: Manifest) -> None:
    del job["spec"]["podFailurePolicy"]


def test_without_policy_and_record_a_failed_product_would_be_run_again(site: Site) -> None:
    def forget(job: Manifest) -> None:
        forget_policy(job)
        forget_records(job)

    run_objects(site, "forgets", "fails", change=forget)
    assert runs(site.image) == {"fails": EXPECTED["fails"] + 1}


def test_without_the_policy_the_record_alone_keeps_a_failed_product_from_running(
    site: Site,
) -> None:
    assert run_objects(site, "no-policy", "fails", change=forget_policy) == {0: 1}
    assert runs(site.image) == {"fails": 1}
    assert site.node.started["no-policy"] == EXPECTED["fails"] + 1


def test_without_retries_a_broken_lab_would_not_be_run_again(site: Site) -> None:
    def forget(job: Manifest) -> None:
        job["spec"]["backoffLimitPerIndex"] = 0

    run_objects(site, "no-retry", "recovers", change=forget)
    assert runs(site.image) == {"recovers": EXPECTED["recovers"] - 1}


def test_a_shard_that_passed_is_not_run_again_when_its_pod_is_lost(site: Site) -> None:
    site.node.loses.add("lost")
    assert run_objects(site, "lost", "passes") == {0: 0}
    assert site.node.loses == set()
    assert runs(site.image) == {"passes": 1}


def test_without_its_record_a_shard_whose_pod_is_lost_would_be_run_again(site: Site) -> None:
    site.node.loses.add("forgot")
    run_objects(site, "forgot", "passes", change=forget_records)
    assert runs(site.image) == {"passes": 2}


def test_the_manifest_is_one_that_kubectl_applies(site: Site, tmp_path: Path) -> None:
    matrix = write_matrix(site.image, *EXPECTED, results=site.results)
    file = tmp_path / "job.yaml"
    command = [sys.executable, "-c", LAB, "matrix", "plan", str(matrix), "--manifest", str(file)]
    subprocess.run(command, check=True, timeout=Deadline.scaled(SECONDS).remaining)
    apply = ["apply", "--dry-run=server", "--validate=strict", "-o", "name", "-f"]
    assert kubectl(site, *apply, str(file)) == ["configmap/small", "job.batch/small"]
    file.write_text(file.read_text().replace("backoffLimitPerIndex", "backoffLimitPerShard"))
    with pytest.raises(LabError):
        kubectl(site, *apply, str(file))


def kubectl(site: Site, *words: str) -> list[str]:
    return site.plane.kubectl.run(*words, deadline=Deadline.scaled(SECONDS)).split()


def test_what_asks_for_kvm_runs_where_a_device_plugin_has_it(site: Site) -> None:
    def ask(job: Manifest) -> None:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        for part in ("requests", "limits"):
            container["resources"][part][KVM] = "1"

    assert run_objects(site, "kvm", "passes", change=ask) == {0: 0}
