"""What the add-ons `cache` and `pull-through` give to nodes, and what they refuse."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from edge_lab.addons import AddOnContext, find_addon, get_platform
from edge_lab.addons.cache.addon import Cache, PullThrough
from edge_lab.addons.cache.content import IMAGES
from edge_lab.addons.cache.edge import CONFIG as NGINX_CONFIG
from edge_lab.addons.cache.edge import cache_of
from edge_lab.addons.cache.identities import REGISTRIES, server_spec
from edge_lab.addons.cache.names import (
    CACHE,
    CACHE_PORT,
    CACHE_UNIT,
    CERTS_D,
    DATA_UNIT,
    DIRECT_NAME,
    NGINX,
    ORIGIN_PORT,
    ORIGIN_UNIT,
    OUTLIVES_UPSTREAM,
    PULL_THROUGH,
    REGISTRY,
    REGISTRY_NAME,
    SITE_PORT,
    site_peers,
)
from edge_lab.addons.cache.registry import CACHE_CONFIG, ORIGIN_CONFIG
from edge_lab.addons.checks import check_addons
from edge_lab.addons.containerd import CONFIG, root_config, with_certs_d
from edge_lab.core.errors import LabError
from edge_lab.probes.endpoint import Reach
from edge_lab.probes.expected import ANYONE_BY_TLS
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import get_stack
from edge_lab.topology import Arch, Topology, TopologyProblem
from tests.stacks.provisions import files_of, units_of, verify

ProvisionsOf = Callable[..., dict[str, Provision]]
STACK = "kubernetes+openyurt"


def text_of(provision: Provision, path: str) -> str:
    return files_of(provision)[path].content.decode()


def payload_of(provision: Provision) -> set[str]:
    return {file.path for file in provision.payload}


@pytest.mark.parametrize("kind", [CACHE, PULL_THROUGH])
def test_the_server_has_a_registry_with_its_content(provisions_of: ProvisionsOf, kind: str) -> None:
    server = provisions_of(kind)["server"]
    config = yaml.safe_load(text_of(server, ORIGIN_CONFIG))
    assert config["http"]["addr"] == f"10.77.0.1:{ORIGIN_PORT}"
    assert config["storage"]["maintenance"]["readonly"] == {"enabled": True}
    storage = config["storage"]["filesystem"]["rootdirectory"].removeprefix("/opt/edge-lab/")
    tags = {
        path.split("/")[-6]
        for path in payload_of(server)
        if path.startswith(storage) and path.endswith("/tags/1/current/link")
    }
    assert tags == {image.name for image in IMAGES}
    assert f"debian/{REGISTRY.name}" in payload_of(server)
    assert (f"debian/{NGINX.name}" in payload_of(server)) == (kind == CACHE)


def test_an_edge_node_has_nginx_or_docker_registry(provisions_of: ProvisionsOf) -> None:
    nginx = provisions_of(CACHE)["edge-arm"]
    assert f"debian/{NGINX.name}" in payload_of(nginx)
    assert f"debian/{REGISTRY.name}" not in payload_of(nginx)
    assert f"listen 127.0.0.1:{CACHE_PORT};" in text_of(nginx, NGINX_CONFIG)
    registry = provisions_of(PULL_THROUGH)["edge-arm"]
    assert f"debian/{NGINX.name}" not in payload_of(registry)
    config = yaml.safe_load(text_of(registry, CACHE_CONFIG))
    assert config["proxy"] == {"remoteurl": f"https://10.77.0.1:{ORIGIN_PORT}"}
    assert config["http"] == {"addr": f"127.0.0.1:{CACHE_PORT}"}


@pytest.mark.parametrize("kind", [CACHE, PULL_THROUGH])
@pytest.mark.parametrize("node", ["edge-arm", "edge-riscv"])
def test_containerd_asks_the_cache_of_its_own_node(
    provisions_of: ProvisionsOf, kind: str, node: str
) -> None:
    provision = provisions_of(kind)[node]
    cached = tomllib.loads(text_of(provision, f"{CERTS_D}/{REGISTRY_NAME}/hosts.toml"))
    origin = f"https://10.77.0.1:{ORIGIN_PORT}"
    assert cached["server"] == origin
    assert next(iter(cached["host"])) == f"http://127.0.0.1:{CACHE_PORT}"
    direct = tomllib.loads(text_of(provision, f"{CERTS_D}/{DIRECT_NAME}/hosts.toml"))
    assert (direct["server"], direct["host"]) == (origin, {})
    plugins = tomllib.loads(text_of(provision, CONFIG))["plugins"]
    (folder,) = [
        plugin["registry"]["config_path"] for plugin in plugins.values() if "registry" in plugin
    ]
    assert folder == CERTS_D


def test_caches_of_a_site_ask_each_other_by_the_site_s_network(lab: Topology) -> None:
    arm = lab.node("edge-arm")
    ((name, link),) = site_peers(lab, arm)
    assert (name, link.name) == ("edge-riscv", "riscv-site")
    cache = cache_of(lab, arm)
    assert [peer.address for peer in cache.peers] == [f"10.78.0.12:{SITE_PORT}"]
    assert set(cache.site) == {f"10.77.0.11:{SITE_PORT}", f"10.78.0.11:{SITE_PORT}"}
    without = lab.model_copy(
        update={"links": tuple(link for link in lab.links if link.network == "cloud")}
    )
    ((_, link),) = site_peers(without, arm)
    assert link.name == "riscv-cloud"


def test_no_edge_node_can_be_the_registry(lab: Topology) -> None:
    assert REGISTRY_NAME in server_spec(lab, lab.server).dns_names
    for node in lab.edges:
        assert not {REGISTRY_NAME, DIRECT_NAME} & set(server_spec(lab, node).dns_names)
    requests = find_addon(CACHE).identities(lab)
    assert {request.domain for request in requests} == {REGISTRIES}
    only = lab.model_copy(update={"addons": ("workload", PULL_THROUGH)})
    assert [request.name for request in find_addon(PULL_THROUGH).identities(only)] == ["server"]


def test_units_are_units(
    provisions_of: ProvisionsOf, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for kind in (CACHE, PULL_THROUGH):
        for node, provision in provisions_of(kind).items():
            expected = ORIGIN_UNIT if node == "server" else CACHE_UNIT
            ours = (ORIGIN_UNIT, DATA_UNIT, CACHE_UNIT)
            # There is no payload on this machine.
            units = {
                name: text.replace("/opt/edge-lab/debian/loader", "/bin/true")
                for name, text in units_of(provision).items()
                if name in ours
            }
            assert expected in units
            verify(tmp_path_factory.mktemp("units"), units)


@pytest.mark.parametrize("kind", [CACHE, PULL_THROUGH])
def test_what_listens_is_declared(lab: Topology, provisions_of: ProvisionsOf, kind: str) -> None:
    topology = lab.model_copy(update={"addons": ("workload", kind)})
    endpoints = find_addon(kind).endpoints(topology, get_stack(STACK))
    ids = [endpoint.id for endpoint in endpoints]
    assert len(set(ids)) == len(ids)
    wired = {endpoint.port for endpoint in endpoints if endpoint.reach is Reach.WIRE}
    assert wired == {ORIGIN_PORT} | ({5444, SITE_PORT} if kind == CACHE else set())
    assert all(
        endpoint.policy == ANYONE_BY_TLS for endpoint in endpoints if endpoint.reach is Reach.WIRE
    )
    if kind == CACHE:
        arm = text_of(provisions_of(kind)["edge-arm"], NGINX_CONFIG)
        ports = {
            int(line.split(":")[1].rstrip(";").split()[0])
            for line in map(str.strip, arm.splitlines())
            if line.startswith("listen ")
        }
        assert ports == {endpoint.port for endpoint in endpoints if endpoint.node == "edge-arm"}


def test_both_kinds_at_once_are_refused(lab: Topology) -> None:
    both = lab.model_copy(update={"addons": ("workload", CACHE, PULL_THROUGH)})
    with pytest.raises(TopologyProblem) as caught:
        check_addons(both)
    assert caught.value.loc == ("addons", 2)


@pytest.mark.parametrize(
    ("kind", "stack", "able"),
    [
        (CACHE, STACK, {CACHE, OUTLIVES_UPSTREAM}),
        (PULL_THROUGH, STACK, {CACHE}),
        (CACHE, "k3s+k3s", set()),
    ],
)
def test_what_nodes_can_do(lab: Topology, kind: str, stack: str, able: set[str]) -> None:
    topology = lab.model_copy(update={"addons": ("workload", kind)})
    addon = find_addon(kind)
    found = {
        node.name: addon.capabilities(topology, node, get_stack(stack)) for node in topology.nodes
    }
    assert found == {"server": set(), "edge-arm": able, "edge-riscv": able}


@pytest.mark.parametrize("arch", list(Arch))
def test_certs_d_fits_each_root_image(arch: Arch) -> None:
    whole = tomllib.loads(with_certs_d(root_config(arch), "/certs"))
    before = tomllib.loads(root_config(arch))
    changed = {
        name for name, plugin in whole["plugins"].items() if plugin != before["plugins"][name]
    }
    assert len(changed) == 1
    with pytest.raises(LabError):
        with_certs_d(with_certs_d(root_config(arch), "/certs"), "/certs")
    with pytest.raises(LabError):
        with_certs_d("version = 2\n", "/certs")


def test_with_gvisor_the_file_has_both(lab: Topology, provisions_of: ProvisionsOf) -> None:
    text = text_of(provisions_of("gvisor", CACHE)["edge-arm"], CONFIG)
    cri = tomllib.loads(text)["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["registry"] == {"config_path": CERTS_D}
    assert "runsc" in cri["containerd"]["runtimes"]
    # riscv64 has no gVisor.
    other = tomllib.loads(text_of(provisions_of("gvisor", CACHE)["edge-riscv"], CONFIG))
    assert any("registry" in plugin for plugin in other["plugins"].values())


def test_only_a_lab_with_such_an_add_on_takes_packages(
    lab: Topology, default_topology: Topology
) -> None:
    assert get_platform(STACK, default_topology).programs(default_topology) == ()
    assert set(get_platform(STACK, lab).programs(lab)) == {REGISTRY, NGINX}
    assert {Cache.name, PullThrough.name} == {CACHE, PULL_THROUGH}


def test_a_program_that_is_not_unpacked_is_told(lab: Topology) -> None:
    given: Any = SimpleNamespace(packages={})
    with pytest.raises(LabError, match="programs"):
        AddOnContext(given, get_stack(STACK)).program(NGINX, lab.server)
