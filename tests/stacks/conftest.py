"""Every stack on the default topology, with artifacts that are made up."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import yaml

from edge_lab.addons import Platform
from edge_lab.artifacts import Artifact
from edge_lab.pki import Pki
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Stack, StackContext, get_stack, stack_names
from edge_lab.topology import Arch, Topology, load_topology
from tests.keys import keys_made_once
from tests.stacks.provisions import DEFAULT, ContextFor, FakeImage


@pytest.fixture(scope="session")
def topology() -> Topology:
    return load_topology(DEFAULT)


@pytest.fixture(scope="session")
def pki(topology: Topology, tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return keys_made_once(tmp_path_factory.mktemp("pki") / "keys", topology)


@pytest.fixture(scope="session")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("image") / "workload.tar"
    path.write_bytes(b"not really an archive")
    return FakeImage(dict.fromkeys(Arch, path))


@pytest.fixture(scope="session")
def context_for(
    topology: Topology, pki: Pki, workload: Any, tmp_path_factory: pytest.TempPathFactory
) -> ContextFor:
    cache = tmp_path_factory.mktemp("cache")
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    names = ("devices.devices.kubeedge.io", "objectsyncs.reliablesyncs.kubeedge.io")
    documents = [crd | {"metadata": {"name": name}} for name in names]
    (cache / "kubeedge-crds").write_text(yaml.safe_dump_all(documents))

    def make(stack: Stack | Platform) -> StackContext:
        artifacts = {
            want: Artifact(
                want.component,
                "v1",
                want.arch,
                cache / want.component,
                hashlib.sha256(str(want).encode()).hexdigest(),
                "made up",
            )
            for want in stack.wants(topology)
        }
        return StackContext(topology, artifacts, workload, pki, api_host_port=26443)

    return make


@pytest.fixture(params=stack_names())
def stack(request: pytest.FixtureRequest) -> Stack:
    return get_stack(request.param)


@pytest.fixture
def context(stack: Stack, context_for: ContextFor) -> StackContext:
    return context_for(stack)


@pytest.fixture
def provisions(stack: Stack, context: StackContext) -> dict[str, Provision]:
    return stack.provision(context)
