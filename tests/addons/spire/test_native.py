"""SPIRE for real, on this machine: what it gives, refuses, renews, and survives."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from edge_lab.addons.spire.agent import agent_config
from edge_lab.addons.spire.hcl import plugin
from edge_lab.addons.spire.lifetimes import Lifetimes
from edge_lab.addons.spire.names import account_id, agent_id
from edge_lab.addons.workload.accounts import SAMPLER_ID
from edge_lab.core.deadline import Deadline
from suites.spire.clients import Shown, wrongly_judged
from tests.addons.spire.site import LIMIT, NODE, Site, program, running_site

pytestmark = pytest.mark.native(reason="runs SPIRE, and waits until identities end")

SHORT = timedelta(seconds=20)


@pytest.fixture
def site() -> Iterator[Site]:
    with running_site(Lifetimes()) as found:
        yield found


def until_renewed(site: Site, name: str, old: Shown) -> Shown:
    def another() -> Shown | None:
        found = site.svid(name)
        return found.shown() if found.ok and found.shown().serial != old.serial else None

    return Deadline.after(2 * LIMIT).wait_for("another SVID", another)


def test_each_peer_is_judged_by_its_identity(site: Site) -> None:
    site.register("sampler", SAMPLER_ID)
    site.register("stranger", account_id("edge-lab", "stranger"))
    attempts = {name: site.call(name) for name in ("sampler", "stranger", "nobody")}
    assert wrongly_judged(attempts, frozenset({"sampler"})) == {}
    assert attempts["stranger"].refused_by_certificate, str(attempts["stranger"])
    assert "unexpected ID" in site.log("collector")
    assert site.svid("nobody").without_identity, str(site.svid("nobody"))
    anonymous = site.call("nobody", "--anonymous")
    assert anonymous.certificate_missed, str(anonymous)
    # The control: a stranger who is registered as the sampler is seen to be let in.
    site.register("impostor", SAMPLER_ID)
    found = wrongly_judged({"impostor": site.call("impostor")}, frozenset({"sampler"}))
    assert set(found) == {"impostor"}


def test_a_copy_ends_with_the_original_which_is_renewed(site: Site, tmp_path: Path) -> None:
    site.register("sampler", SAMPLER_ID, round(SHORT.total_seconds()))
    copied = site.svid("sampler", "--save", str(tmp_path)).shown()
    fresh = site.call("thief", "--svid", str(tmp_path))
    assert fresh.ok, str(fresh)
    renewed = until_renewed(site, "sampler", copied)
    assert renewed.not_after > copied.not_after
    Deadline.after(LIMIT).wait_for("its end", lambda: time.time() > copied.not_after + 1)
    late = site.call("thief", "--svid", str(tmp_path))
    assert late.refused_by_certificate, str(late)
    assert site.call("sampler").ok


def test_nothing_is_renewed_while_the_server_is_silent(site: Site) -> None:
    site.register("sampler", SAMPLER_ID, round(SHORT.total_seconds()))
    site.send("server", signal.SIGSTOP)
    began, last = time.time(), site.svid("sampler").shown()
    assert last.not_after - began >= Lifetimes().promised(SHORT).total_seconds()
    Deadline.after(LIMIT).wait_for("its end", lambda: time.time() > last.not_after + 1)
    # Served on, and refused.
    assert site.svid("sampler").shown().serial == last.serial
    assert site.call("sampler").refused_by_certificate
    site.send("server", signal.SIGCONT)
    until_renewed(site, "sampler", last)
    assert site.call("sampler").ok


def test_agent_and_server_are_killed_and_started_again(site: Site) -> None:
    site.register("sampler", SAMPLER_ID)
    site.send("server", signal.SIGKILL)
    assert site.call("sampler").ok
    site.start_server()
    site.send("agent", signal.SIGKILL)
    assert not site.svid("sampler").ok
    site.start_agent()
    Deadline.after(LIMIT).wait_for("let in again", lambda: site.call("sampler").ok)


def test_an_agent_ends_with_its_own_identity() -> None:
    lifetimes = Lifetimes(agent=SHORT)
    with running_site(lifetimes) as site:
        site.register("sampler", SAMPLER_ID)
        site.send("server", signal.SIGSTOP)
        began = time.monotonic()
        Deadline.after(2 * LIMIT).wait_for("its end", lambda: site.has_ended("agent"))
        assert time.monotonic() - began >= lifetimes.promised(SHORT).total_seconds()
        site.send("server", signal.SIGCONT)
        site.start_agent()
        Deadline.after(LIMIT).wait_for("let in again", lambda: site.call("sampler").ok)


def test_an_evicted_node_comes_back_and_a_banned_one_does_not(site: Site) -> None:
    site.register("sampler", SAMPLER_ID)
    assert site.ask("agent", "evict", "-spiffeID", agent_id(NODE))
    Deadline.after(LIMIT).wait_for("attested anew", site.attested)
    assert site.ask("agent", "ban", "-spiffeID", agent_id(NODE))
    Deadline.after(LIMIT).wait_for("the agent's end", lambda: site.has_ended("agent"))
    assert not site.svid("sampler").ok


@pytest.mark.parametrize("mistake", ["", "no_such_setting = 1\n"])
def test_the_kubelet_s_attestor_is_configured_as_spire_wants_it(
    tmp_path: Path, mistake: str
) -> None:
    agent = program("spire-agent")
    attestor = {'WorkloadAttestor "k8s"': plugin(kubelet_secure_port=10250)}
    file = tmp_path / "agent.conf"
    text = agent_config("10.77.0.1", attestor)
    file.write_text(text.replace("agent {\n", "agent {\n" + mistake))
    argv = [str(agent), "validate", "-config", str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode == 0) == (not mistake), done.stderr
