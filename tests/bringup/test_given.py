"""The digest of what guests are given: the same for the same guests, another for others."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from edge_lab.addons import get_platform
from edge_lab.artifacts import Artifact
from edge_lab.bringup.given import given_digest
from edge_lab.bringup.plan import Plan
from edge_lab.core.errors import LabError
from edge_lab.handle.state import Condition, LabState, Ports, WirePorts
from edge_lab.images import ImageArchive, RootImage
from edge_lab.machines import Accelerator
from edge_lab.topology import Topology, load_topology
from tests.conftest import LABS
from tests.keys import keys_made_once, make_keys

slow = pytest.mark.slow(reason="builds what guests are given in several processes")

TCG = Accelerator("tcg", "", None)
Digest = Callable[..., str]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("given") / "keys"
    keys_made_once(folder, load_topology(LABS / "default.yaml"))
    return folder


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What stands for components and images."""
    folder = tmp_path_factory.mktemp("files")
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    definition = crd | {"metadata": {"name": "devices.devices.kubeedge.io"}}
    (folder / "kubeedge-crds").write_text(yaml.safe_dump_all([definition]))
    (folder / "workload.tar").write_text("an archive")
    return folder


def plan_of(topology: Topology, files: Path, stack: str = "kubernetes+kubelet") -> Plan:
    chosen = get_platform(stack, topology)
    artifacts = {
        want: Artifact(
            want.component,
            "v1",
            want.arch,
            files / want.component,
            hashlib.sha256(str(want).encode()).hexdigest(),
            "a test",
        )
        for want in chosen.wants(topology)
    }
    images = {
        arch: RootImage(arch, files / "disk", files / "kernel", files / "initrd", "0", {}, files)
        for arch in topology.architectures
    }
    archives = dict.fromkeys(topology.architectures, files / "workload.tar")
    container_images = ImageArchive(files / "workload.tar", archives=archives)
    return Plan(topology, 1, chosen, artifacts, images, container_images)


def state_of(plan: Plan, port: int) -> LabState:
    topology = plan.topology
    wire = WirePorts(fabric=port, endpoint=port + 1)
    return LabState(
        lab=topology.name,
        topology=topology,
        stack=plan.platform.name,
        condition=Condition.COMING_UP,
        ports=Ports(
            api=port,
            ssh={node.name: port for node in topology.nodes},
            wires={link.name: wire for link in topology.links},
        ),
        accelerator={node.name: "tcg" for node in topology.nodes},
        image_digests={arch.value: "0" for arch in topology.architectures},
        payloads={node.name: Path("/nowhere") for node in topology.nodes},
        kubectl=Path("/nowhere"),
        versions={},
        checkpoint="0",
    )


@pytest.fixture
def digest(keys: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> Digest:
    def of(
        topology: Topology | None = None,
        *,
        stack: str = "kubernetes+kubelet",
        port: int = 20000,
        folder: Path = keys,
        accelerator: Accelerator = TCG,
    ) -> str:
        plan = plan_of(topology or load_topology(LABS / "default.yaml"), files, stack)
        monkeypatch.setattr(
            "edge_lab.bringup.processes.load_root_image", lambda arch, _: plan.images[arch]
        )
        return given_digest(plan, state_of(plan, port), folder, accelerator)

    return of


def test_equal_guests_have_equal_digests_whatever_their_ports(digest: Digest) -> None:
    assert digest(port=20000) == digest(port=30000)


@pytest.mark.parametrize("stack", ["kubernetes+openyurt", "kubernetes+kubeedge"])
def test_another_stack_gives_something_else(digest: Digest, stack: str) -> None:
    assert digest(stack=stack) == digest(stack=stack)
    assert digest(stack=stack) != digest()


def test_other_keys_are_something_else(digest: Digest, tmp_path: Path) -> None:
    make_keys(tmp_path / "keys", load_topology(LABS / "default.yaml"))
    assert digest(folder=tmp_path / "keys") != digest()


def test_without_keys_there_is_no_digest(digest: Digest, tmp_path: Path) -> None:
    with pytest.raises(LabError):
        digest(folder=tmp_path)


def test_a_machine_with_more_memory_is_another_one(digest: Digest) -> None:
    topology = load_topology(LABS / "default.yaml")
    server, *edges = topology.nodes
    larger = topology.model_copy(
        update={"nodes": (server.model_copy(update={"memory": 4096}), *edges)}
    )
    assert digest(larger) != digest()


def test_kernels_are_told_something_else_under_acceleration(digest: Digest) -> None:
    topology = load_topology(LABS / "default.yaml")
    assert digest(accelerator=Accelerator("kvm", "", topology.server.arch)) != digest()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("edge_lab.stacks.kubelet.EVICTION", {"memory.available": "1Mi"}),
        ("edge_lab.addons.workload.manifests.MOST_POLL_MS", 1),
        ("edge_lab.machines.seed.WANTS", "/etc/systemd/system/another.target.wants"),
        ("edge_lab.addons.twins.mapperunit.COLLECT_MS", 11_000),
        ("edge_lab.bringup.given.GUEST_FORMAT", 0),
    ],
    ids=lambda value: str(value).rpartition(".")[2],
)
def test_an_edit_that_guests_would_see_is_seen(
    digest: Digest, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    before = digest()
    monkeypatch.setattr(name, value)
    assert digest() != before


@slow
def test_it_does_not_hang_on_the_order_of_sets(keys: Path, files: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from pytest import MonkeyPatch\n"
        "from tests.bringup import test_given as t\n"
        "digest = t.digest.__wrapped__(Path(sys.argv[1]), Path(sys.argv[2]), MonkeyPatch())\n"
        "print(digest())\n"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script, str(keys), str(files)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
