"""kube-proxy: what it is told, and what its unit does before it."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import yaml

from edge_lab.addons.services.proxy import (
    CONFIG,
    ROUTE_LINK,
    SERVICE_ROUTE,
    proxy_config,
    proxy_provision,
)
from edge_lab.topology import Topology
from tests.stacks.provisions import files_of, flags_of, units_of, verify

KUBECONFIG_TEXT = "apiVersion: v1\n"


def test_it_is_told_of_the_node_it_is_on(topology: Topology) -> None:
    config = yaml.safe_load(proxy_config(topology, topology.node("edge-arm")))
    assert config["mode"] == "nftables"
    assert config["hostnameOverride"] == "edge-arm"
    assert config["bindAddress"] == "10.77.0.11"
    assert IPv4Network(config["clusterCIDR"]) == topology.pod_subnet
    assert config["detectLocalMode"] == "ClusterCIDR"


def test_it_answers_on_loopback_alone(topology: Topology) -> None:
    config = yaml.safe_load(proxy_config(topology, topology.server))
    for key in ("healthzBindAddress", "metricsBindAddress"):
        address, _, _ = config[key].rpartition(":")
        assert IPv4Address(address).is_loopback


def test_it_sets_no_limit_of_connection_tracking(topology: Topology) -> None:
    """Whatever is above zero is written to the kernel, and a failure to do so ends kube-proxy."""
    limits = yaml.safe_load(proxy_config(topology, topology.server))["conntrack"]
    assert {str(value) for value in limits.values()} == {"0", "0s"}


def test_its_files_and_unit_agree(topology: Topology) -> None:
    provision = proxy_provision(topology, topology.server, KUBECONFIG_TEXT, ("first.service",))
    files = files_of(provision)
    unit = units_of(provision)["kube-proxy.service"]
    assert flags_of(unit)["config"] == CONFIG
    assert yaml.safe_load(files[CONFIG].content)["clientConnection"]["kubeconfig"] in files
    assert "After=first.service" in unit
    assert provision.units == ("kube-proxy.service",)


def test_what_it_shows_is_for_root_alone(topology: Topology) -> None:
    provision = proxy_provision(topology, topology.server, KUBECONFIG_TEXT, ())
    (kubeconfig,) = [file for file in provision.files if file.content == KUBECONFIG_TEXT.encode()]
    assert kubeconfig.mode == 0o600


def test_the_route_to_services_needs_no_cable_and_no_address() -> None:
    add, up, route = SERVICE_ROUTE
    assert {"10.96.0.0/16", ROUTE_LINK} <= set(route)
    assert "src" not in route
    assert ROUTE_LINK in add
    assert ROUTE_LINK in up


def test_a_link_that_is_there_already_is_no_failure() -> None:
    add, up, route = SERVICE_ROUTE
    assert add[0].startswith("-")
    assert not up[0].startswith("-")
    assert not route[0].startswith("-")


def test_systemd_accepts_the_unit(topology: Topology, tmp_path: Path) -> None:
    provision = proxy_provision(topology, topology.server, KUBECONFIG_TEXT, ())
    unit = units_of(provision)["kube-proxy.service"]
    # The program is on the payload disk; systemd-analyze wants to see some program.
    text = re.sub(r"(?m)^(ExecStart(?:Pre)?=-?)\S+", r"\1/bin/true", unit)
    verify(tmp_path, {"kube-proxy.service": text})
