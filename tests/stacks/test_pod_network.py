"""Addresses of pods, and the rules that masquerade them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from edge_lab.provisioning.provision import Provision
from edge_lab.stacks.node import CNI_RESULTS, CNI_RULE_TEXT, masquerade_rules
from edge_lab.topology import Topology
from tests.stacks.provisions import files_of


def test_pods_get_addresses_of_their_nodes_own_network(
    provisions: Mapping[str, Provision], topology: Topology
) -> None:
    for node, provision in provisions.items():
        config = json.loads(files_of(provision)["/etc/cni/net.d/10-edge-lab.conflist"].content)
        ranges = config["plugins"][0]["ipam"]["ranges"]
        assert ranges == [[{"subnet": str(topology.pod_cidr(node))}]]


def test_results_of_the_pod_network_are_removed_at_boot(
    provisions: Mapping[str, Provision],
) -> None:
    for provision in provisions.values():
        text = files_of(provision)["/etc/tmpfiles.d/60-edge-lab-cni.conf"].content.decode()
        rules = [line for line in text.splitlines() if not line.startswith("#")]
        assert rules == ["R! /var/lib/cni/results"]


@pytest.mark.skipif(not shutil.which("systemd-tmpfiles"), reason="no systemd-tmpfiles here")
@pytest.mark.parametrize(("boot", "is_left"), [(("--boot",), False), ((), True)])
def test_systemd_removes_results_at_boot_only(
    tmp_path: Path, *, boot: tuple[str, ...], is_left: bool
) -> None:
    results = tmp_path / "results"
    results.mkdir()
    (results / "edge-lab-eth0").touch()
    rule = tmp_path / "rule.conf"
    rule.write_text(CNI_RULE_TEXT.replace(CNI_RESULTS, str(results)))
    subprocess.run(["systemd-tmpfiles", *boot, "--remove", "--create", str(rule)], check=True)
    assert results.exists() is is_left


def test_masquerading_spares_pods_and_covers_every_wire(topology: Topology) -> None:
    rules = masquerade_rules(topology, topology.node("edge-arm")).splitlines()
    spare = rules.index("-A EDGE-LAB-PODS -d 10.42.0.0/16 -j RETURN")
    masked = [line for line in rules if line.endswith("-j MASQUERADE")]
    assert masked == [
        "-A EDGE-LAB-PODS -o cloud0 -j MASQUERADE",
        "-A EDGE-LAB-PODS -o plant0 -j MASQUERADE",
    ]
    assert all(rules.index(line) > spare for line in masked)


@pytest.mark.skipif(not shutil.which("iptables-restore"), reason="no iptables-restore here")
def test_iptables_understands_the_rules(topology: Topology) -> None:
    done = subprocess.run(
        ["iptables-restore", "--test", "--noflush"],
        input=masquerade_rules(topology, topology.server),
        capture_output=True,
        text=True,
        check=False,
    )
    if "Permission denied" in done.stderr or "not supported" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
