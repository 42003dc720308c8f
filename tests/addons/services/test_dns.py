"""CoreDNS: which server block answers what, and that the program has what the Corefile names."""

from __future__ import annotations

import re

from edge_lab.addons.services.dns import corefile, dns_provision
from edge_lab.artifacts.catalog import CATALOG, COREDNS
from edge_lab.artifacts.gomodules import GoModule
from edge_lab.data import IMAGES
from edge_lab.topology import Topology
from tests.stacks.provisions import files_of, units_of

MODULE = IMAGES / "go" / "coredns"


def blocks_of(text: str) -> dict[tuple[str, ...], list[str]]:
    """By the zones of each server block, the first word and the rest of its lines."""
    found = {}
    for head, body in re.findall(r"(?m)^(\S.*) \{\n((?: .*\n)*)\}", text):
        zones = tuple(zone.removesuffix(":53") for zone in head.split())
        found[zones] = [line.removeprefix("    ") for line in body.splitlines()]
    return found


def plugins_of(text: str) -> set[str]:
    lines = (line for body in blocks_of(text).values() for line in body)
    return {line.split()[0] for line in lines if not line.startswith((" ", "}"))}


def test_services_are_answered_from_the_api_and_nothing_else_is(topology: Topology) -> None:
    blocks = blocks_of(corefile(topology, topology.server))
    by_zone = {zone: body for zones, body in blocks.items() for zone in zones}
    kubernetes = [line for line in by_zone["cluster.local"] if line.startswith("kubernetes ")]
    assert kubernetes == ["kubernetes cluster.local in-addr.arpa ip6.arpa {"]
    assert by_zone["in-addr.arpa"] == by_zone["cluster.local"]
    assert "    rcode NXDOMAIN" in by_zone["."]


def test_nodes_and_devices_have_their_names(topology: Topology) -> None:
    blocks = blocks_of(corefile(topology, topology.server))
    (zones,) = [zones for zones, body in blocks.items() if "hosts /etc/hosts" in body]
    assert set(zones) == {"server", "edge-arm", "edge-riscv", "boiler", "press"}


def test_each_block_listens_on_the_node_alone(topology: Topology) -> None:
    for body in blocks_of(corefile(topology, topology.node("edge-riscv"))).values():
        assert "bind 10.77.0.12" in body


def test_the_lists_of_a_cache_are_asked_for(topology: Topology) -> None:
    unit = units_of(dns_provision(topology, topology.server, "", ()))["coredns.service"]
    assert "Environment=KUBE_FEATURE_WatchListClient=false" in unit


def test_the_program_is_called_what_caches_know_it_by(topology: Topology) -> None:
    unit = units_of(dns_provision(topology, topology.server, "", ()))["coredns.service"]
    (start,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    assert start.split()[0].rpartition("/")[2] == "coredns"


def test_its_files_and_unit_agree(topology: Topology) -> None:
    provision = dns_provision(topology, topology.server, "text", ())
    files = files_of(provision)
    unit = units_of(provision)["coredns.service"]
    (path,) = [path for path in files if path.endswith("Corefile")]
    assert f"-conf {path}" in unit
    (kubeconfig,) = re.findall(r"kubeconfig (\S+)", files[path].content.decode())
    assert files[kubeconfig].mode == 0o600


# -- the program --------------------------------------------------------------------------------


def test_the_program_has_each_plugin_that_the_corefile_names(topology: Topology) -> None:
    source = (MODULE / "main.go").read_text(encoding="utf-8")
    imported = set(re.findall(r'_ "github.com/coredns/coredns/plugin/(\w+)"', source))
    ordered = set(re.findall(r'^\t\t"(\w+)",$', source, re.M))
    assert {"metrics" if name == "prometheus" else name for name in ordered} == imported
    assert plugins_of(corefile(topology, topology.server)) <= ordered
    # The comparison would see one that is missing.
    assert not {"forward"} <= ordered


def test_its_version_is_that_of_its_module() -> None:
    assert CATALOG["coredns"].version == COREDNS
    assert GoModule("coredns", MODULE).requires("github.com/coredns/coredns") == COREDNS


def test_kube_proxy_is_of_the_release_of_the_control_plane() -> None:
    assert CATALOG["kube-proxy"].version == CATALOG["kube-apiserver"].version
    of_proxy, of_control_plane = (
        GoModule(name, IMAGES / "go" / name).requires("k8s.io/kubernetes")
        for name in ("kube-proxy", "kubernetes")
    )
    assert of_proxy == of_control_plane
