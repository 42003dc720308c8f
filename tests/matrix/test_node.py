"""Shards on a real control plane and a real node: kubelet, containerd, runc."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.matrix.objects import RESULTS_FOLDER, Manifest
from edge_lab.topology import Timing, Topology
from tests.controlplane import NativeControlPlane, control_plane
from tests.matrix.jobs import forget_policy, forget_records, left_over, run_job, run_whole
from tests.matrix.node import Node, real_node, require_node
from tests.matrix.shardimage import FOLDER, require_parts, write_images
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
    require_node()
    require_parts()
    with tempfile.TemporaryDirectory(prefix="el") as name, new_namespace() as namespace:
        folder = Path(name)
        image = make_image(
            folder / "image",
            log=Path(RESULTS_FOLDER) / RAN,
            fixtures=Path("/") / FOLDER / "tests" / "fixtures",
        )
        write_images(folder / "images.tar", image, folder / "blobs")
        with (
            entered(namespace),
            control_plane(folder / "plane", default_topology, Timing(), *FLAGS) as plane,
            real_node(plane, namespace, folder / "node", folder / "images.tar") as node,
        ):
            yield Site(plane, node, image, folder / "results")


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
