"""Shards on a real control plane and a real node: kubelet, containerd, runc."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from kubernetes import client, config

from edge_lab.core.deadline import Deadline
from edge_lab.matrix.objects import LABEL, RESULTS_FOLDER, Manifest
from edge_lab.report.runs import ExitCode
from edge_lab.topology import Timing, Topology
from tests.controlplane import NativeControlPlane, control_plane
from tests.matrix.builtimage import built_image, write_built_image
from tests.matrix.jobs import forget_policy, forget_records, left_over, run_job, run_whole
from tests.matrix.node import Node, real_node, require_node
from tests.matrix.shardimage import FOLDER, require_parts, write_images, write_pause_image
from tests.matrix.site import EXPECTED, RAN, make_image, runs, write_matrix
from tests.namespaces import entered, new_namespace

pytestmark = pytest.mark.native(reason="starts a control plane and a kubelet, and runs shards")

SECONDS = 300.0
FLAGS = (
    "--allow-privileged=true",
    # No name server knows the node.
    "--kubelet-preferred-address-types=InternalIP",
)


@dataclass(frozen=True)
class Site:
    plane: NativeControlPlane
    node: Node
    image: Path
    results: Path


@pytest.fixture(scope="module")
def site(default_topology: Topology) -> Iterator[Site]:
    built = built_image()
    require_node()
    require_parts(built=built is not None)
    with tempfile.TemporaryDirectory(prefix="el") as name, new_namespace() as namespace:
        folder = Path(name)
        image = make_image(
            folder / "image",
            log=Path(RESULTS_FOLDER) / RAN,
            fixtures=Path("/") / FOLDER / "tests" / "fixtures",
        )
        archives = write_archives(folder, image, built)
        with (
            entered(namespace),
            control_plane(folder / "plane", default_topology, Timing(), *FLAGS) as plane,
            real_node(plane, namespace, folder / "node", *archives) as node,
        ):
            yield Site(plane, node, image, folder / "results")


def write_archives(folder: Path, image: Path, built: str | None) -> list[Path]:
    """The image with the suites in `image`, and that of the pause container."""
    archives = [folder / "images.tar"]
    if built is None:
        write_images(archives[0], image, folder / "blobs")
        return archives
    write_pause_image(archives[0], folder / "blobs")
    archives.append(folder / "built.tar")
    write_built_image(built, archives[1], image)
    return archives


@pytest.fixture(autouse=True)
def in_the_image(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site.image)
    monkeypatch.setenv("KUBECONFIG", str(site.plane.kubectl.kubeconfig))
    (site.results / RAN).unlink(missing_ok=True)


def run_objects(
    site: Site, name: str, *suites: str, change: Callable[[Manifest], None] = lambda job: None
) -> dict[int, int | None]:
    limit = Deadline.scaled(SECONDS)
    return run_job(site.image, site.results, name, *suites, deadline=limit, change=change)


def test_only_a_broken_lab_is_run_again_and_the_whole_is_told(site: Site, tmp_path: Path) -> None:
    matrix = write_matrix(site.image, *EXPECTED, results=site.results)
    run_whole(matrix, tmp_path, Deadline.scaled(SECONDS))
    assert runs(site.results) == EXPECTED
    assert left_over(site.plane.kubectl, Deadline.scaled(SECONDS)) == []


def test_without_policy_and_record_a_failed_product_would_be_run_again(site: Site) -> None:
    def forget(job: Manifest) -> None:
        forget_policy(job)
        forget_records(job)

    run_objects(site, "forgets", "fails", change=forget)
    assert runs(site.results) == {"fails": EXPECTED["fails"] + 1}


def test_without_retries_a_broken_lab_would_not_be_run_again(site: Site) -> None:
    def forget(job: Manifest) -> None:
        job["spec"]["backoffLimitPerIndex"] = 0

    run_objects(site, "no-retry", "recovers", change=forget)
    assert runs(site.results) == {"recovers": EXPECTED["recovers"] - 1}


def test_without_its_exit_code_in_the_policy_a_broken_lab_would_not_be_run_again(
    site: Site,
) -> None:
    def forget(job: Manifest) -> None:
        (_, rule) = job["spec"]["podFailurePolicy"]["rules"]
        rule["onExitCodes"]["values"].remove(int(ExitCode.LAB_BROKE))

    run_objects(site, "no-code", "recovers", change=forget)
    assert runs(site.results) == {"recovers": EXPECTED["recovers"] - 1}


MEMORY = "512Mi"


def test_a_shard_that_is_killed_for_lack_of_memory_is_run_again(site: Site) -> None:
    def limit(job: Manifest) -> None:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        for part in ("requests", "limits"):
            container["resources"][part]["memory"] = MEMORY

    assert run_objects(site, "limited", "hungry", change=limit) == {0: 0}
    assert runs(site.results) == {"hungry": 2}


def test_without_that_limit_of_memory_it_would_end_in_its_first_run(site: Site) -> None:
    assert run_objects(site, "unlimited", "hungry") == {0: 1}
    assert runs(site.results) == {"hungry": 1}


def test_a_shard_may_do_what_a_lab_does(site: Site) -> None:
    assert run_objects(site, "privileged", "privileged") == {0: 0}


def test_without_privileges_a_shard_could_not_start_a_lab(site: Site) -> None:
    def forbid(job: Manifest) -> None:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        del container["securityContext"]

    assert run_objects(site, "unprivileged", "privileged", change=forbid) == {0: 1}


@contextlib.contextmanager
def removing(
    site: Site, suite: str, times: int, remove: Callable[[client.CoreV1Api, str], object]
) -> Iterator[None]:
    """Meanwhile, removes the pod of each of the first runs of the suite's test."""
    core = client.CoreV1Api(config.new_client_from_config(str(site.plane.kubectl.kubeconfig)))
    limit, over = Deadline.scaled(SECONDS), threading.Event()

    def check() -> None:
        if over.is_set():
            raise AssertionError("the Job is over, and not all pods were removed")

    def has_begun(number: int) -> bool:
        return runs(site.results).get(suite) == number

    def work() -> None:
        for number in range(1, times + 1):
            limit.wait_for(f"run {number} has begun", partial(has_begun, number), watch=check)
            (pod,) = limit.wait_for(
                "its pod is running", lambda: running_pods(site, limit), watch=check
            )
            remove(core, pod)

    with ThreadPoolExecutor(1) as pool:
        removed = pool.submit(work)
        try:
            yield
        finally:
            over.set()
            removed.result()


def running_pods(site: Site, deadline: Deadline) -> list[str]:
    matrix = ("-l", f"{LABEL}=small")
    return [
        pod["metadata"]["name"]
        for pod in site.plane.kubectl.items("pods", "-n", "default", *matrix, deadline=deadline)
        if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]
    ]


def delete(core: client.CoreV1Api, pod: str) -> None:
    core.delete_namespaced_pod(pod, "default")


def evict(core: client.CoreV1Api, pod: str) -> None:
    core.create_namespaced_pod_eviction(pod, "default", {"metadata": {"name": pod}})


def test_a_shard_whose_pod_is_deleted_is_run_again(site: Site) -> None:
    with removing(site, "deleted", 1, delete):
        assert run_objects(site, "deleted", "deleted") == {0: 0}
    assert runs(site.results) == {"deleted": 2}


def test_evicted_pods_are_replaced_and_do_not_count(site: Site) -> None:
    with removing(site, "evicted", 2, evict):
        assert run_objects(site, "evicted", "evicted") == {0: 0}
    assert runs(site.results) == {"evicted": 3}


def test_without_the_policy_evicted_pods_would_count(site: Site) -> None:
    with removing(site, "evicted", 2, evict):
        assert run_objects(site, "counted", "evicted", change=forget_policy) != {0: 0}
    assert runs(site.results) == {"evicted": 2}
