"""The add-ons on each stack: what nodes have, who writes to whom, and which images that takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from edge_lab.addons import find_addon, get_platform
from edge_lab.addons.checks import check_addons
from edge_lab.addons.metrics.identities import METRICS_DOMAIN
from edge_lab.addons.metrics.names import METRICS, SIDECAR, unit
from edge_lab.addons.metrics.senders import (
    AGENT,
    PROMETHEUS,
    SENDERS,
    VMAGENT,
    WRITERS,
    Sender,
    senders_of,
)
from edge_lab.images.recipe import load_recipe
from edge_lab.probes.endpoint import Reach, Speaks
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import stack_names
from edge_lab.topology import Topology, TopologyProblem
from tests.addons.services.conftest import ContextOf, PlatformOf
from tests.stacks.provisions import files_of, units_of, verify

ProvisionsOf = Callable[[str], dict[str, Provision]]
STACK = "kubernetes+openyurt"
EDGES = ("edge-arm", "edge-riscv")
HOME = "/etc/edge-lab-metrics"


def with_addons(topology: Topology, *addons: str) -> Topology:
    return topology.model_copy(update={"addons": addons})


@pytest.mark.parametrize("stack", stack_names())
def test_edge_nodes_have_exporter_and_senders_and_the_server_the_receiver(
    topology: Topology, platform_of: PlatformOf, provisions_of: ProvisionsOf, stack: str
) -> None:
    wanted, able = platform_of(stack).units(topology), platform_of(stack).capabilities(topology)
    ours = {
        name: {unit for unit in provision.units if "metrics" in unit}
        for name, provision in provisions_of(stack).items()
    }
    senders = {sender.unit for sender in SENDERS.values()}
    parts = ("receiver", "objects", "store", "query")
    assert ours["server"] == {f"edge-lab-metrics-{part}.service" for part in parts}
    assert ours["server"] <= set(wanted["server"])
    for edge in EDGES:
        assert ours[edge] == {"edge-lab-metrics-exporter.service", unit(SIDECAR), *senders}
        assert ours[edge] <= set(wanted[edge])
        assert {METRICS, *(sender.addon for sender in SENDERS.values())} <= able[edge]
    assert not any(name.startswith(METRICS) for name in able["server"])


def test_units_are_units(provisions_of: ProvisionsOf, tmp_path: Path) -> None:
    provisions = provisions_of(STACK)
    texts = {**units_of(provisions["server"]), **units_of(provisions["edge-arm"])}
    ours = {
        name: re.sub(r"(?m)^(ExecStart=)\S+", r"\1/bin/true", text)
        for name, text in texts.items()
        if name.startswith("edge-lab-metrics")
    }
    assert len(ours) == 10
    verify(tmp_path, ours)


def test_each_node_has_the_programs_that_it_runs(
    topology: Topology, provisions_of: ProvisionsOf
) -> None:
    for name, provision in provisions_of(STACK).items():
        programs = {file.path for file in provision.payload}
        assert "debian/prometheus" in programs
        assert ("debian/vmagent" in programs) == (name != "server")
    light = with_addons(topology, "metrics", "metrics-vmagent")
    names = [program.name for program in get_platform(STACK, light).programs(light)]
    assert names == ["prometheus", "vmagent"]
    none = with_addons(topology, "workload")
    assert get_platform(STACK, none).programs(none) == ()


# -- what a topology may ask for ----------------------------------------------------------------


def test_metrics_without_a_sender_are_refused_with_the_place(topology: Topology) -> None:
    with pytest.raises(TopologyProblem) as raised:
        check_addons(with_addons(topology, "workload", "metrics"))
    assert raised.value.loc == ("addons", 1)
    check_addons(with_addons(topology, "workload", "metrics", "metrics-vmagent"))


def test_a_sender_without_metrics_is_refused(topology: Topology) -> None:
    with pytest.raises(TopologyProblem):
        check_addons(with_addons(topology, "metrics-vmagent"))


def test_only_listed_senders_run(topology: Topology) -> None:
    assert senders_of(with_addons(topology, "metrics", "metrics-vmagent")) == (VMAGENT,)
    assert senders_of(topology) == tuple(SENDERS.values())


def test_names_are_those_of_the_catalogue() -> None:
    for sender in SENDERS.values():
        assert find_addon(sender.addon).name == sender.addon


# -- configurations -----------------------------------------------------------------------------


@pytest.mark.parametrize("sender", [AGENT, PROMETHEUS])
def test_prometheus_writes_to_the_receiver_with_its_certificate(
    provisions_of: ProvisionsOf, sender: Sender
) -> None:
    files = files_of(provisions_of(STACK)["edge-arm"])
    config = yaml.safe_load(files[f"{HOME}/{sender.name}.yaml"].content)
    (write,) = config["remote_write"]
    assert write["url"] == "https://10.77.0.1:9090/api/v1/write"
    assert set(write["tls_config"]) == {"ca_file", "cert_file", "key_file"}
    assert all(path in files for path in write["tls_config"].values())
    assert config["global"]["external_labels"] == {"node": "edge-arm", "sender": sender.name}
    assert config["scrape_configs"][0]["metrics_path"] == f"/metrics/{sender.name}"


def test_vmagent_is_told_by_its_flags(provisions_of: ProvisionsOf) -> None:
    provision = provisions_of(STACK)["edge-riscv"]
    unit, files = units_of(provision)[VMAGENT.unit], files_of(provision)
    assert "-remoteWrite.url=https://10.77.0.1:9090/api/v1/write" in unit
    for flag in ("tlsCAFile", "tlsCertFile", "tlsKeyFile"):
        path = re.search(rf"-remoteWrite\.{flag}=(\S+)", unit)
        assert path is not None
        assert path[1] in files
    # It refuses keys that it does not know.
    assert "remote_write" not in yaml.safe_load(files[f"{HOME}/vmagent.yaml"].content)


@pytest.mark.parametrize(
    ("node", "option"), [("edge-arm", "--enable-feature=agent"), ("edge-riscv", "--agent")]
)
def test_the_agent_is_started_as_its_version_wants_it(
    topology: Topology, provisions_of: ProvisionsOf, node: str, option: str
) -> None:
    suite = load_recipe().architectures[topology.node(node).arch].suite
    assert (suite == "trixie") == (option == "--enable-feature=agent")
    assert option in units_of(provisions_of(STACK)[node])[AGENT.unit].split()


# -- who is let in ------------------------------------------------------------------------------


def test_certificates_are_of_an_authority_of_their_own(
    platform_of: PlatformOf, context_of: ContextOf, provisions_of: ProvisionsOf
) -> None:
    pki = context_of(platform_of(STACK)).given.pki
    for name, provision in provisions_of(STACK).items():
        files = files_of(provision)
        shown = x509.load_pem_x509_certificate(files[f"{HOME}/tls.crt"].content)
        shown.verify_directly_issued_by(pki.authority(METRICS_DOMAIN).certificate)
        assert files[f"{HOME}/tls.key"].mode == 0o600
        alternatives = [
            extension
            for extension in shown.extensions
            if isinstance(extension.value, x509.SubjectAlternativeName)
        ]
        assert bool(alternatives) == (name == "server")
    web = yaml.safe_load(files_of(provisions_of(STACK)["server"])[f"{HOME}/web.yaml"].content)
    assert web["tls_server_config"]["client_auth_type"] == "RequireAndVerifyClientCert"


def test_only_those_with_tls_are_on_a_wire(topology: Topology, platform_of: PlatformOf) -> None:
    ours = [
        endpoint
        for endpoint in platform_of(STACK).endpoints(topology)
        if endpoint.name.startswith("edge-lab-metrics")
    ]
    wired = [endpoint for endpoint in ours if endpoint.reach is Reach.WIRE]
    assert {endpoint.id for endpoint in wired} == {
        *(f"server/edge-lab-metrics-{part}" for part in ("receiver", "objects", "query")),
        *(f"{edge}/{SIDECAR}" for edge in EDGES),
    }
    assert {endpoint.domain for endpoint in wired} == {METRICS_DOMAIN}
    assert {endpoint.speaks for endpoint in wired} == {Speaks.HTTPS, Speaks.TLS}
    # Exporter, senders and sidecar on loopback, and three ports of Thanos on the server.
    assert len(ours) == len(wired) + len(EDGES) * (2 + len(SENDERS)) + 3
    # No two of a node listen at one port.
    for edge in EDGES:
        ports = [
            endpoint.port
            for endpoint in platform_of(STACK).endpoints(topology)
            if endpoint.node == edge
        ]
        assert len(ports) == len(set(ports))
    served = [endpoint.port for endpoint in ours if endpoint.node == "server"]
    assert len(served) == len(set(served))


def test_each_sender_dials_the_cloud_and_is_tried_with_a_false_one(
    topology: Topology, platform_of: PlatformOf
) -> None:
    ours = [
        client
        for client in platform_of(STACK).cloud_clients(topology)
        if client.domain is METRICS_DOMAIN
    ]
    units = {unit(SIDECAR), *(sender.unit for sender in WRITERS.values())}
    assert {(client.node, client.unit) for client in ours} == {
        (edge, name) for edge in EDGES for name in units
    }
    assert len({client.id for client in ours}) == len(ours)
