"""The default topology with the add-on, on each stack, with artifacts that are made up."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from edge_lab.addons import AddOnContext, Platform, get_platform
from edge_lab.addons.services.names import SERVICES
from edge_lab.artifacts import Artifact
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import StackContext
from edge_lab.topology import Arch, Topology, load_topology
from tests.keys import keys_made_once
from tests.stacks.provisions import DEFAULT, FakeImage

PlatformOf = Callable[[str], Platform]
ContextOf = Callable[[Platform], AddOnContext]


@pytest.fixture(scope="session")
def topology() -> Topology:
    plain = load_topology(DEFAULT)
    return plain.model_copy(update={"addons": (*plain.addons, SERVICES)})


@pytest.fixture(scope="session")
def platform_of(topology: Topology) -> PlatformOf:
    return lambda stack: get_platform(stack, topology)


@pytest.fixture(scope="session")
def context_of(topology: Topology, tmp_path_factory: pytest.TempPathFactory) -> ContextOf:
    folder = tmp_path_factory.mktemp("services")
    pki = keys_made_once(folder / "keys", topology)
    names = ("devices.devices.kubeedge.io", "objectsyncs.reliablesyncs.kubeedge.io")
    file = folder / "artifact"
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    file.write_text(yaml.safe_dump_all([kind | {"metadata": {"name": name}} for name in names]))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    image: Any = FakeImage(dict.fromkeys(Arch, file))

    def make(platform: Platform) -> AddOnContext:
        artifacts = {
            want: Artifact(want.component, "v1", want.arch, file, digest, "made up")
            for want in platform.wants(topology)
        }
        given = StackContext(topology, artifacts, image, pki, api_host_port=26443)
        return AddOnContext(given, platform.stack)

    return make


@pytest.fixture
def provisions_of(
    platform_of: PlatformOf, context_of: ContextOf
) -> Callable[[str], dict[str, Provision]]:
    """By node, what a stack of that name gives it, the add-on's part among it."""

    def make(stack: str) -> dict[str, Provision]:
        platform = platform_of(stack)
        return platform.provision(context_of(platform).given)

    return make
