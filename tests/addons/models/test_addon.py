"""The add-on on each stack: what nodes have, who is let in, and what the cluster gets."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_lab.addons import get_platform
from edge_lab.addons.base import Stage
from edge_lab.addons.cache.storage import blob_place
from edge_lab.addons.checks import check_addons
from edge_lab.addons.models import addon, content
from edge_lab.addons.models.content import ModelContent
from edge_lab.addons.models.names import (
    AGENT,
    CONFIG,
    FEED,
    MODEL,
    MODELS,
    NAMESPACE,
    OPERATOR,
    OPERATOR_CONFIG,
    READY,
    RUNTIME,
    SERVER,
    unit,
)
from edge_lab.addons.models.objects import definitions, rights, rollout_stages
from edge_lab.addons.models.versions import BASELINE, versions_for
from edge_lab.cluster.labels import REGION_LABEL
from edge_lab.probes.endpoint import Reach
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import stack_names
from edge_lab.topology import Topology, TopologyProblem
from images.models.edge_models.config import read_config
from images.models.edge_models.rollout import RolloutStage, wish_of
from tests.addons.services.conftest import ContextOf, PlatformOf
from tests.stacks.provisions import files_of, units_of, verify

ProvisionsOf = Callable[[str], dict[str, Provision]]
STACK = "kubernetes+openyurt"
EDGES = ("edge-arm", "edge-riscv")
EVERYWHERE = (unit(AGENT), unit(SERVER), unit(READY))


@pytest.fixture(autouse=True, scope="module")
def small_content(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelContent]:
    """Models that are made up."""
    folder = tmp_path_factory.mktemp("content")
    (folder / "registry").mkdir()
    (folder / "registry" / "file").write_text("content")
    versions = versions_for(1.0)
    found = ModelContent(folder, dict.fromkeys(versions, f"sha256:{'0' * 64}"), versions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(addon, "model_content", lambda period_ms: found)
        yield found


@pytest.mark.parametrize("stack", stack_names())
def test_each_node_has_what_it_runs(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf, stack: str
) -> None:
    platform, provisions = platform_of(stack), provisions_of(stack)
    wanted, able = platform.units(topology), platform.capabilities(topology)
    for name, provision in provisions.items():
        ours = {*EVERYWHERE, unit(FEED if name in EDGES else OPERATOR)}
        assert ours <= set(wanted[name])
        assert ours <= set(provision.units)
        assert (MODELS in able[name]) == (name in EDGES)
    assert unit(OPERATOR) not in wanted["edge-arm"]


def test_units_are_units(provisions_of: ProvisionsOf, tmp_path: Path) -> None:
    provisions = provisions_of(STACK)
    texts = {**units_of(provisions["server"]), **units_of(provisions["edge-arm"])}
    ours = {
        name: re.sub(r"(?m)^(Exec\w+=)\S+", r"\1/bin/true", text)
        for name, text in texts.items()
        if name.startswith("edge-lab-models")
    }
    assert len(ours) == 5
    verify(tmp_path, ours)


def test_payloads(provisions_of: ProvisionsOf) -> None:
    for name, provision in provisions_of(STACK).items():
        paths = {file.path for file in provision.payload}
        assert {"models/code/edge_models/agent.py", "debian/loader"} <= paths
        assert {f"debian/python/{module}/__init__.py" for module in RUNTIME.modules} <= paths
        assert not [path for path in paths if "/tests/" in path]
        kopf = "models/packages/kopf/__init__.py" in paths
        assert kopf == ("registry/file" in paths) == (name == "server")
        assert not [path for path in paths if path.startswith("models/") and ".so" in path]


def test_programs_read_their_configurations(provisions_of: ProvisionsOf, tmp_path: Path) -> None:
    for name, provision in provisions_of(STACK).items():
        for path in (CONFIG, *([OPERATOR_CONFIG] if name == "server" else [])):
            file = tmp_path / "config.json"
            file.write_bytes(files_of(provision)[path].content)
            config = read_config(file)
            assert config.node == name
            assert config.namespace == NAMESPACE
            assert (config.feed is None) == (config.tls is not None) == (name == "server")
            # The registry itself has the last word.
            assert config.sources[-1].url == "https://10.77.0.1:5000"
            assert config.sources[-1].authority in files_of(provision)
            assert config.api["key"] in files_of(provision)
            assert files_of(provision)[config.api["key"]].mode == 0o600


def test_the_cloud_alone_is_on_a_wire(topology: Topology, platform_of: PlatformOf) -> None:
    endpoints = platform_of(STACK).endpoints(topology)
    ours = [endpoint for endpoint in endpoints if endpoint.name.startswith("edge-lab-models")]
    assert [endpoint.id for endpoint in ours if endpoint.reach is Reach.WIRE] == [
        "server/edge-lab-models-server-cloud"
    ]
    others = {(endpoint.node, endpoint.port) for endpoint in endpoints if endpoint not in ours}
    assert not {(endpoint.node, endpoint.port) for endpoint in ours} & others


def test_a_nodes_agent_reports_for_its_own_node_alone() -> None:
    found = [each for each in rights(("a", "b")) if each["kind"] == "Role"]
    agents = [each for each in found if each["metadata"]["name"].startswith("models-agent")]
    assert len(agents) == 2
    for role in agents:
        node = role["metadata"]["name"].removeprefix("models-agent-")
        assert all(rule["resourceNames"] == [node] for rule in role["rules"])
    assert all(each["metadata"]["namespace"] == NAMESPACE for each in found)


def test_kinds_come_first_and_objects_when_nodes_are_ready(
    topology: Topology, platform_of: PlatformOf, context_of: ContextOf
) -> None:
    platform = platform_of(STACK)
    given = context_of(platform).given
    early = platform.manifests(given, Stage.API_SERVER_UP)[MODELS]
    assert [manifest["metadata"]["name"] for manifest in early[:2]] == [
        definition["metadata"]["name"] for definition in definitions()
    ]
    *nodes, model = platform.manifests(given, Stage.NODES_READY)[MODELS]
    assert [manifest["metadata"]["name"] for manifest in nodes] == [*EDGES, "server"]
    assert model["metadata"]["name"] == MODEL
    assert wish_of({**model, "metadata": {**model["metadata"], "generation": 1}}).stages == (
        RolloutStage("north", ("edge-arm",)),
        RolloutStage("south", ("edge-riscv",)),
        RolloutStage("cloud", ("server",)),
    )
    assert model["spec"]["version"]["tag"] == BASELINE


def test_nodes_without_a_region_are_in_one_stage(default_topology: Topology) -> None:
    assert rollout_stages(default_topology) == {"edge": list(EDGES), "cloud": ["server"]}


def test_agents_and_operator_are_known_to_who_replaces_certificates(
    topology: Topology, platform_of: PlatformOf
) -> None:
    platform = platform_of(STACK)
    units = {
        (certificate.node, certificate.unit)
        for certificate in platform.further_certificates(topology)
    }
    wanted = {(node.name, unit(AGENT)) for node in topology.nodes} | {("server", unit(OPERATOR))}
    assert wanted <= units
    trusting = {
        (bundle.node, name) for bundle in platform.trust_bundles(topology) for name in bundle.units
    }
    assert wanted <= trusting


def test_a_lab_without_a_boiler_is_refused(topology: Topology) -> None:
    links = tuple(link for link in topology.links if link.endpoint != "boiler")
    with pytest.raises(TopologyProblem) as raised:
        check_addons(topology.model_copy(update={"devices": (), "links": links}))
    assert raised.value.loc == ("addons", 2)
    check_addons(topology)


def test_a_region_with_the_name_of_the_servers_stage_is_refused(topology: Topology) -> None:
    nodes = tuple(
        node.model_copy(update={"labels": {REGION_LABEL: "cloud"}})
        if node.name == "edge-riscv"
        else node
        for node in topology.nodes
    )
    with pytest.raises(TopologyProblem) as raised:
        check_addons(topology.model_copy(update={"nodes": nodes}))
    assert raised.value.loc == ("nodes", 2, "labels", REGION_LABEL)


def test_labs_without_it_pay_nothing(topology: Topology) -> None:
    without = topology.model_copy(update={"addons": ("workload",)})
    assert get_platform(STACK, without).programs(without) == ()


def test_a_lab_without_the_package_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from edge_lab.addons.models import onnxfile
    from edge_lab.core.errors import LabError

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(LabError) as caught:
        onnxfile.onnx_package()
    assert "models" in caught.value.remedy


def test_content(tmp_path: Path) -> None:
    """Equal versions make equal artifacts; each part is what its digest says, except in one."""
    versions = versions_for(1.0)
    some = {tag: versions[tag] for tag in (BASELINE, "corrupt", "unloadable")}
    digests = content.write_models(tmp_path / "one", some, hidden=16)
    assert digests == content.write_models(tmp_path / "two", some, hidden=16)
    for tag, digest in digests.items():
        place = blob_place(tmp_path / "one", digest)
        manifest = json.loads(place.read_bytes())
        names = [
            layer["annotations"]["org.opencontainers.image.title"] for layer in manifest["layers"]
        ]
        assert names == ["model.onnx", "scaling.json"]
        right = []
        for part in (manifest["config"], *manifest["layers"]):
            blob = blob_place(tmp_path / "one", part["digest"]).read_bytes()
            assert len(blob) == part["size"]
            right.append(hashlib.sha256(blob).hexdigest() in part["digest"])
        assert all(right) == (tag != "corrupt")
