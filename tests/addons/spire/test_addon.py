"""The add-on on each stack: what nodes have, who is registered, and whom agents ask."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.addons import Stage
from edge_lab.addons.spire.addon import Spire, workload_entries
from edge_lab.addons.spire.entries import FOLDER, SCRIPT
from edge_lab.addons.spire.hcl import hcl, plugin
from edge_lab.addons.spire.identities import SPIRE_NODES, kubelet_user
from edge_lab.addons.spire.lifetimes import Lifetimes
from edge_lab.addons.spire.names import SPIFFE_ROOT, WORKLOAD_IDENTITY
from edge_lab.artifacts import Want
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import stack_names
from edge_lab.stacks.kubelet import DROP_INS
from edge_lab.topology import Arch, Topology
from tests.addons.services.conftest import ContextOf, PlatformOf
from tests.stacks.provisions import files_of, units_of, verify

ProvisionsOf = Callable[[str], dict[str, Provision]]
ON_KUBELET = "kubernetes+openyurt"


@pytest.mark.parametrize("stack", stack_names())
def test_each_node_has_an_agent_and_the_server_node_the_server(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf, stack: str
) -> None:
    able, wanted = platform_of(stack).capabilities(topology), platform_of(stack).units(topology)
    for name, provision in provisions_of(stack).items():
        ours = {unit for unit in wanted[name] if "spire" in unit}
        assert WORKLOAD_IDENTITY in able[name]
        assert ours <= set(provision.units)
        assert "spire-agent.service" in ours
        assert ("spire-server.service" in ours) == (name == "server")
        programs = {file.path for file in provision.payload}
        assert ("bin/spire-server" in programs) == (name == "server")
        assert "bin/spire-agent" in programs
        # The root's key is for the server alone.
        assert ("/etc/spire/root.key" in files_of(provision)) == (name == "server")


def test_components_are_wanted_for_each_architecture(
    topology: Topology, platform_of: PlatformOf
) -> None:
    wants = Spire().wants(topology, platform_of(ON_KUBELET).stack)
    assert wants[0] == Want("spire-server", Arch.X86_64)
    assert set(wants[1:]) == {Want("spire-agent", arch) for arch in Arch}


def test_units_are_units(provisions_of: ProvisionsOf, tmp_path: Path) -> None:
    units = units_of(provisions_of(ON_KUBELET)["server"])
    # No program of a guest is here.
    texts = {
        name: re.sub(r"(?m)^(ExecStart(?:Pre)?=-?)\S+", r"\1/bin/true", text)
        for name, text in units.items()
        if "spire" in name
    }
    assert len(texts) == 4
    verify(tmp_path, texts)


def test_the_folder_of_the_socket_survives_the_agent(provisions_of: ProvisionsOf) -> None:
    unit = units_of(provisions_of(ON_KUBELET)["edge-arm"])["spire-agent.service"]
    assert "RuntimeDirectory" not in unit


# -- whom an agent asks -------------------------------------------------------------------------


def test_an_agent_asks_the_kubelet_by_its_own_certificate(provisions_of: ProvisionsOf) -> None:
    files = files_of(provisions_of(ON_KUBELET)["edge-arm"])
    config = files["/etc/spire/agent.conf"].content.decode()
    assert "kubelet_secure_port = 10250" in config
    assert "skip_kubelet_verification" not in config
    shown = x509.load_pem_x509_certificate(files["/etc/spire/kubelet.crt"].content)
    assert shown.subject.rfc4514_string() == f"CN={kubelet_user('edge-arm')}"
    assert files["/etc/spire/kubelet.key"].mode == 0o600
    drop_in = yaml.safe_load(files[f"{DROP_INS}/70-spire.conf"].content)
    assert drop_in["authorization"]["webhook"]["cacheAuthorizedTTL"] == "24h"
    assert "mode" not in drop_in["authorization"]


def test_an_agent_beside_edged_asks_its_port_on_loopback(provisions_of: ProvisionsOf) -> None:
    provisions = provisions_of("kubernetes+kubeedge")
    edge, server = (files_of(provisions[name]) for name in ("edge-arm", "server"))
    assert "kubelet_read_only_port = 10350" in edge["/etc/spire/agent.conf"].content.decode()
    assert "/etc/spire/kubelet.key" not in edge
    assert "kubelet_secure_port" in server["/etc/spire/agent.conf"].content.decode()


def test_agents_may_read_pods_of_nodes_and_no_more(
    topology: Topology, platform_of: PlatformOf, context_of: ContextOf
) -> None:
    ctx = context_of(platform_of(ON_KUBELET))
    role, binding = Spire().manifests(ctx, Stage.API_SERVER_UP)
    assert role["rules"] == [{"apiGroups": [""], "resources": ["nodes/pods"], "verbs": ["get"]}]
    users = {subject["name"] for subject in binding["subjects"]}
    assert users == {kubelet_user(node.name) for node in topology.nodes}
    assert Spire().manifests(ctx, Stage.NODES_READY) == ()


# -- whom they trust ----------------------------------------------------------------------------


def test_a_node_proves_itself_by_an_authority_of_its_own(
    platform_of: PlatformOf, context_of: ContextOf, provisions_of: ProvisionsOf
) -> None:
    pki = context_of(platform_of(ON_KUBELET)).given.pki
    files = files_of(provisions_of(ON_KUBELET)["edge-arm"])
    node = x509.load_pem_x509_certificate(files["/etc/spire/node.crt"].content)
    node.verify_directly_issued_by(pki.authority(SPIRE_NODES).certificate)
    assert node.subject.rfc4514_string() == "CN=edge-arm"
    assert files["/etc/spire/bundle.crt"].content == pki.authority(SPIFFE_ROOT).certificate_pem
    limits = pki.authority(SPIFFE_ROOT).certificate.extensions
    # Below it stands the server's own authority.
    assert limits.get_extension_for_class(x509.BasicConstraints).value.path_length == 1


# -- who is registered --------------------------------------------------------------------------


def test_samplers_are_registered_on_their_nodes_and_nowhere_else(
    topology: Topology, provisions_of: ProvisionsOf
) -> None:
    assert {(entry.node, entry.account) for entry in workload_entries(topology)} == {
        ("edge-arm", "sampler"),
        ("edge-riscv", "sampler"),
        ("server", "collector"),
    }
    without = topology.model_copy(update={"addons": ("spire",)})
    assert workload_entries(without) == ()
    files = files_of(provisions_of(ON_KUBELET)["server"])
    document: dict[str, Any] = json.loads(files[f"{FOLDER}/edge-arm.edge-lab.sampler.json"].content)
    (entry,) = document["entries"]
    assert entry["spiffe_id"] == "spiffe://edge-lab.test/ns/edge-lab/sa/sampler"
    assert entry["parent_id"] == "spiffe://edge-lab.test/spire/agent/node/edge-arm"
    assert entry["selectors"] == [
        {"type": "k8s", "value": "ns:edge-lab"},
        {"type": "k8s", "value": "sa:sampler"},
    ]
    assert SCRIPT in files


def test_the_promise_is_what_is_left_at_the_latest_renewal() -> None:
    hour = timedelta(hours=1)
    promised = Lifetimes().promised(hour)
    assert timedelta(0) < promised < hour / 2


# -- HCL ----------------------------------------------------------------------------------------


def test_blocks_and_values() -> None:
    settings = {"agent": {"port": "1", "on": True}, 'P "x"': plugin(n=3)}
    assert hcl(settings) == (
        'agent {\n  port = "1"\n  on = true\n}\nP "x" {\n  plugin_data {\n    n = 3\n  }\n}\n'
    )


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,9}", fullmatch=True), st.text()))
def test_values_are_on_one_line_and_read_back(values: dict[str, str]) -> None:
    lines = hcl(values).splitlines()
    read = dict(line.split(" = ", 1) for line in lines)
    assert {key: json.loads(value) for key, value in read.items()} == values
