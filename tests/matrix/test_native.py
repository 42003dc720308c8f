"""Shards on a real control plane, whose one node is a stand-in that runs pods as processes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.matrix.objects import Manifest
from edge_lab.topology import Timing, Topology
from tests.controlplane import NativeControlPlane, control_plane
from tests.matrix.jobs import forget_policy, forget_records, left_over, run_job, run_whole
from tests.matrix.kubelet import KVM, LAB, StandIn, stand_in
from tests.matrix.site import EXPECTED, make_image, runs, write_matrix

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
    limit = Deadline.scaled(SECONDS)
    return run_job(site.image, site.results, name, *suites, deadline=limit, change=change)


def test_only_a_broken_lab_is_run_again_and_the_whole_is_told(site: Site, tmp_path: Path) -> None:
    matrix = write_matrix(site.image, *EXPECTED, results=site.results)
    run_whole(matrix, tmp_path, Deadline.scaled(SECONDS))
    assert runs(site.image) == EXPECTED
    assert site.node.problems == []
    assert left_over(site.plane.kubectl, Deadline.scaled(SECONDS)) == []


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
