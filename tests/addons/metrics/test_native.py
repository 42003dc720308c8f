"""Debian's Prometheus and vmagent for real, on this machine: what each loses by which outage.

By the lab's own configurations, exporter and count, and the outages and judges of suites/metrics.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.addons.metrics.identities import METRICS_DOMAIN, sender_spec
from edge_lab.addons.metrics.receiver import LOOKBACK_SECONDS
from edge_lab.addons.metrics.records import Origin
from edge_lab.addons.metrics.senders import WRITERS
from edge_lab.addons.tlsfiles import CA, CERTIFICATE, KEY
from edge_lab.core.deadline import Deadline
from edge_lab.pki import IdentityRequest, Pki
from suites.metrics.evidence import BEFORE, RESET, Evidence
from suites.metrics.judging import AFTER_KILL, LEAST_SERVED, NOTHING, judge_line, judge_samples
from suites.metrics.outages import LINE_STEP, Outage, killed_while_offline
from suites.metrics.senders import LOSE_BY_RESET
from tests.addons.fetch import suites
from tests.addons.metrics.site import NODE, RECEIVER, Site
from tests.addons.metrics.standin import Disturbed, disturbed_site

pytestmark = pytest.mark.native(reason="Prometheus and vmagent, and outages of a minute each")

WITHOUT_CERTIFICATE = """
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[1])
print(urllib.request.urlopen(f"https://{sys.argv[2]}/-/ready", context=context).status)
"""


@pytest.fixture(scope="module", params=suites())
def disturbed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Disturbed[Site]]:
    folder = tmp_path_factory.mktemp(request.param)
    with disturbed_site(folder, request.param, Site) as found:
        yield found


@pytest.fixture(scope="module")
def killed(disturbed: Disturbed[Site]) -> Outage:
    """All senders, but not the exporter."""
    return killed_while_offline(disturbed.metrics, disturbed.faults)


def of(outage: Outage, sender: str) -> Evidence:
    return outage.evidence[Origin(NODE, sender)]


@pytest.mark.parametrize("sender", WRITERS)
def test_a_silent_cut_costs_no_sample(disturbed: Disturbed[Site], sender: str) -> None:
    evidence = of(disturbed.cut, sender)
    verdict = judge_samples(evidence, NOTHING)
    assert verdict.passed, str(verdict)
    # It says how much it has sent, and the view how many series that was.
    assert evidence.bytes_sent
    assert evidence.series >= 2


@pytest.mark.parametrize("sender", WRITERS)
def test_what_a_kill_in_the_cut_costs_is_what_is_declared(
    disturbed: Disturbed[Site], sender: str
) -> None:
    is_as_declared(of(disturbed.reset, sender))


@pytest.mark.parametrize("sender", WRITERS)
def test_what_a_kill_of_the_senders_alone_costs_is_what_is_declared(
    killed: Outage, sender: str
) -> None:
    is_as_declared(of(killed, sender))


@pytest.fixture(scope="module")
def frozen(disturbed: Disturbed[Site]) -> Outage:
    """The exporter does not answer until each sender has reported a failed scrape."""
    metrics, outage = disturbed.metrics, Outage(disturbed.metrics)
    with outage.watched():
        exporter = disturbed.site.running["exporter"]
        exporter.send_signal(signal.SIGSTOP)
        try:
            Deadline.after(60).wait_for(
                "each sender reports a failed scrape",
                lambda: all(
                    metrics.failed(since=outage.began, ahead=0.0).get(key) for key in metrics.keys
                ),
            )
        finally:
            exporter.send_signal(signal.SIGCONT)
        metrics.until_served(LEAST_SERVED)
    return outage


@pytest.mark.parametrize("sender", WRITERS)
def test_scrapes_that_time_out_are_reported_as_failed(frozen: Outage, sender: str) -> None:
    evidence = of(frozen, sender)
    assert evidence.failed
    verdict = judge_samples(evidence)
    assert verdict.passed, str(verdict)


def is_as_declared(evidence: Evidence) -> None:
    sender = evidence.sender
    verdict = judge_samples(evidence, AFTER_KILL)
    assert verdict.passed == (sender not in LOSE_BY_RESET), str(verdict)
    if sender in LOSE_BY_RESET:
        (lost,) = [
            measure.value
            for measure in verdict.measures
            if measure.heading == "metric samples lost"
        ]
        assert lost is not None
        # All of the outage before it was killed, but what may have been sent at its beginning, and
        # the last one, of which it cannot be known whether it was taken.
        assert lost >= evidence.marks[RESET] - evidence.marks[BEFORE] - 5, str(verdict)


@pytest.mark.parametrize("sender", WRITERS)
def test_a_query_draws_no_line_beyond_what_is_looked_back_for(
    disturbed: Disturbed[Site], sender: str
) -> None:
    (line,) = disturbed.cut.lines_of(sender)
    verdict = judge_line(line, lookback=LOOKBACK_SECONDS, step=LINE_STEP)
    assert verdict.passed, str(verdict)


def test_the_receiver_lets_in_its_own_authoritys_certificates_alone(
    disturbed: Disturbed[Site], tmp_path: Path
) -> None:
    site = disturbed.site
    ours = Path(site.place("edge").files)
    foreign = Pki.create(
        tmp_path / "foreign", (IdentityRequest(METRICS_DOMAIN, NODE, sender_spec(NODE)),)
    ).identity(METRICS_DOMAIN, NODE)
    impostor = tmp_path / "impostor"
    impostor.mkdir()
    (impostor / CA).write_bytes((ours / CA).read_bytes())
    (impostor / CERTIFICATE).write_bytes(foreign.certificate_pem)
    (impostor / KEY).write_bytes(foreign.key_pem)
    assert site.ask("/-/ready", folder=ours) is not None
    assert site.ask("/-/ready", folder=impostor) is None
    nobody = site.cloud.try_run(sys.executable, "-c", WITHOUT_CERTIFICATE, f"{ours}/{CA}", RECEIVER)
    assert "certificate required" in nobody.stderr.lower(), nobody.stdout + nobody.stderr
