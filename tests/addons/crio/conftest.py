"""The lab of CRI-O on each stack, with artifacts and packages that are made up."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from edge_lab.addons import get_platform, load_topology
from edge_lab.addons.crio.names import SKOPEO
from edge_lab.artifacts import Artifact
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import StackContext
from edge_lab.topology import Arch, Topology
from tests.addons.packages import made_up_packages
from tests.conftest import LABS
from tests.keys import keys_made_once
from tests.stacks.provisions import FakeImage

ProvisionsOf = Callable[[str], dict[str, Provision]]


@pytest.fixture(scope="session")
def lab() -> Topology:
    return load_topology(LABS / "cri-o.yaml")


@pytest.fixture(scope="session")
def provisions_of(lab: Topology, tmp_path_factory: pytest.TempPathFactory) -> ProvisionsOf:
    """By node, what a stack of that name gives it, with the add-ons of the lab."""
    folder = tmp_path_factory.mktemp("cri-o")
    file = folder / "artifact"
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    file.write_text(yaml.safe_dump(kind | {"metadata": {"name": "devices.devices.kubeedge.io"}}))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    image: Any = FakeImage(dict.fromkeys(Arch, file))
    packages = made_up_packages(folder / "packages", [SKOPEO])

    @functools.cache
    def make(stack: str) -> dict[str, Provision]:
        platform = get_platform(stack, lab)
        artifacts = {
            want: Artifact(want.component, "v1", want.arch, file, digest, "made up")
            for want in platform.wants(lab)
        }
        pki = keys_made_once(folder / stack, lab)
        return platform.provision(StackContext(lab, artifacts, image, pki, 26443, packages))

    return make
