"""labs/edge-pools.yaml on each stack, with artifacts that are made up."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_lab.addons import AddOnContext, Platform, load_topology
from edge_lab.addons.pools.names import CRDS
from edge_lab.artifacts import Artifact
from edge_lab.data import LABS
from edge_lab.stacks import StackContext
from edge_lab.topology import Arch, Topology
from tests.addons.services.conftest import ContextOf, platform_of, provisions_of
from tests.keys import keys_made_once
from tests.stacks.provisions import FakeImage

__all__ = ["platform_of", "provisions_of"]


def definition(kind: str, versions: tuple[str, ...]) -> dict[str, Any]:
    """Much as OpenYurt's; the last version is the stored one."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind}.apps.openyurt.io"},
        "spec": {
            "versions": [
                {"name": version, "served": True, "storage": version == versions[-1]}
                for version in versions
            ],
            "conversion": {"strategy": "Webhook", "webhook": {}},
        },
    }


@pytest.fixture(scope="session")
def topology() -> Topology:
    return load_topology(LABS / "edge-pools.yaml")


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("kinds") / CRDS
    found = (
        definition("nodebuckets", ("v1alpha1",)),
        definition("nodepools", ("v1alpha1", "v1beta1", "v1beta2")),
        definition("yurtappsets", ("v1alpha1", "v1beta1")),
    )
    file.write_text(yaml.safe_dump_all(found))
    return file


@pytest.fixture(scope="session")
def context_of(
    topology: Topology, kinds: Path, tmp_path_factory: pytest.TempPathFactory
) -> ContextOf:
    pki = keys_made_once(tmp_path_factory.mktemp("pools") / "keys", topology)
    digest = hashlib.sha256(kinds.read_bytes()).hexdigest()
    image: Any = FakeImage(dict.fromkeys(Arch, kinds))

    def make(platform: Platform) -> AddOnContext:
        artifacts = {
            want: Artifact(want.component, "v1", want.arch, kinds, digest, "made up")
            for want in platform.wants(topology)
        }
        given = StackContext(topology, artifacts, image, pki, api_host_port=26443)
        return AddOnContext(given, platform.stack)

    return make
