"""A false SPIRE server in front of a real agent, which is a declared client and turns it away."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from edge_lab.addons import get_platform
from edge_lab.addons.spire.endpoints import spire_clients
from edge_lab.addons.spire.lifetimes import Lifetimes
from edge_lab.addons.spire.names import AGENT_UNIT, SERVER_PORT, SPIFFE_ROOT, server_id
from edge_lab.core.deadline import Deadline
from edge_lab.oracles.identity import Finding, judge_identity
from edge_lab.pki import Authority, Pki
from edge_lab.probes.cloudclient import GO_CLIENT, SERVER_CERTIFICATES, SPIFFE_CLIENT
from edge_lab.probes.expected import Outcome
from edge_lab.probes.falsecloud import FalseCloud
from edge_lab.probes.mint import Mint
from edge_lab.probes.redirect import rules
from edge_lab.topology import Topology
from tests.addons.spire.site import Site, program

MEETING_SECONDS = 240.0


def test_the_agent_of_each_edge_node_is_a_client_of_the_cloud(topology: Topology) -> None:
    declared = get_platform("kubernetes+openyurt", topology).cloud_clients(topology)
    agents = [client for client in declared if client.unit == AGENT_UNIT]
    assert [client.node for client in agents] == [node.name for node in topology.edges]
    for client in agents:
        assert (client.address, client.port) == ("10.77.0.1", SERVER_PORT)
        assert client.domain == SPIFFE_ROOT
        assert client.server.uris == ("spiffe://edge-lab.test/spire/server",)
        # The first is a stack's: the suite takes it for its control.
        assert declared[0].unit != AGENT_UNIT


def test_an_agent_that_is_started_again_is_still_turned_to_the_false_server(
    topology: Topology,
) -> None:
    client, *_ = spire_clients(topology)
    group = f"/system.slice/{AGENT_UNIT}"
    assert "cgroup" not in rules(client, group, 18444)
    assert f"ip daddr 10.77.0.1 tcp dport {SERVER_PORT} redirect" in rules(client, group, 18444)
    assert "cgroup" in rules(replace(client, dials_alone=False), group, 18444)


def test_what_has_the_wrong_name_has_another_spiffe_id_of_the_same_trust_domain(
    topology: Topology,
) -> None:
    client, *_ = spire_clients(topology)
    mint = Mint(Authority.create("edge-lab SPIFFE root", intermediates=1), client.server)
    (good,), (other,) = (
        identity.certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value.get_values_for_type(x509.UniformResourceIdentifier)
        for identity in (mint.good(), mint.server_of_another_name())
    )
    assert good == server_id()
    assert other.startswith(f"{good}/")


def test_go_spiffe_takes_any_usage_and_other_clients_in_go_do_not() -> None:
    assert SPIFFE_CLIENT.expects["server-is-client"].outcome is Outcome.LET_IN
    assert GO_CLIENT.expects["server-is-client"].outcome is Outcome.ALERT


@contextlib.contextmanager
def agent_that_is_started_again(site: Site) -> Iterator[None]:
    """As systemd does: it ends when it is shown an authority that it does not know."""
    config, over = str(site.folder / "agent.conf"), threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def again() -> None:
        while not over.is_set():
            with (site.folder / "agent.log").open("ab") as log:
                argv = [str(site.agent_program), "run", "-config", config]
                running.append(subprocess.Popen(argv, stdout=log, stderr=log))
            running[-1].wait()

    keeping = threading.Thread(target=again)
    keeping.start()
    try:
        yield
    finally:
        over.set()
        for process in running:
            process.kill()
        keeping.join()


@pytest.mark.native(reason="runs SPIRE's agent until it has met each certificate")
def test_a_real_agent_turns_each_false_server_away(topology: Topology) -> None:
    agent = program("spire-agent")
    client, *_ = spire_clients(topology)
    with tempfile.TemporaryDirectory(prefix="spire-") as folder:
        site = Site(Path(folder), agent, agent, agent, Lifetimes())
        authority = Pki(site.folder / "pki").authority(SPIFFE_ROOT)
        cloud = FalseCloud(client, Mint(authority, client.server))
        with cloud.listening() as port:
            site.port = port
            site.configure()
            with agent_that_is_started_again(site):
                records = cloud.wait(Deadline.after(MEETING_SECONDS))
    verdict = judge_identity(client.node, "test", records, {client.id: client.as_endpoint()})
    findings = {judgement.record.probe: judgement.finding for judgement in verdict.judged}
    assert set(findings.values()) == {Finding.PASS}, records
    assert set(findings) == set(SERVER_CERTIFICATES)
    # The control: by what other clients in Go do, one certificate was taken that should not be.
    other = replace(client, policy=GO_CLIENT).as_endpoint()
    judged = judge_identity(client.node, "test", records, {client.id: other}).judged
    wrong = {
        judgement.record.probe: judgement.finding
        for judgement in judged
        if judgement.finding is not Finding.PASS
    }
    assert wrong == {"server-is-client": Finding.LET_IN}
