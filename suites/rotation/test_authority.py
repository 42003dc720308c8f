"""An authority of the cluster is replaced with the fleet online, as after a leak of its key: in the
end all certificates are from the new one, and those of the old one are refused."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.core.errors import InputError, MissingCapability
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.families.authority.byname import must_be_replaceable, replaceable
from edge_lab.faults.families.authority.injector import AuthorityInjector
from edge_lab.faults.families.authority.stagetimes import StageTimes
from edge_lab.faults.kinds import AuthorityStage, ReplaceAuthority
from edge_lab.fixtures.autonomy import Autonomy
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.probes import Prober
from edge_lab.oracles.autonomy import Expectation
from edge_lab.oracles.identity import Finding
from edge_lab.oracles.spans import Span
from edge_lab.pki import CLUSTER, Identity, Stage
from edge_lab.probes.authorities import under_authorities
from edge_lab.probes.catalog import PROBES
from suites.edges import edges, until_lost
from suites.known import edgecore_ends_containers
from suites.passing import all_passed
from suites.rotation.test_replaced import must_hold
from suites.rotation.views import (
    longest_silence,
    may_be_away,
    ready_at,
    record_of,
    unready_seconds_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_lab.handle.lab import Lab
    from edge_lab.oracles.identity import IdentityVerdict
    from edge_lab.pki import TrustDomain
    from edge_lab.probes.authorities import UnderAuthority
    from edge_lab.probes.endpoint import Endpoint
    from edge_lab.probes.record import ProbeRecord

pytestmark = [allure.parent_suite("Rotation"), allure.feature("Authority")]

AFTERMATH_SECONDS = 30.0
API_SECONDS = 240.0
"""Seconds for the API server to restart on an emulated CPU, until it answers."""


EACH_AUTHORITY = (
    CLUSTER.name,
    # The edgecores are restarted at each stage.
    pytest.param("kubeedge", marks=edgecore_ends_containers),
)


def must_declare_trust(
    lab: Lab, time_limit: TimeLimit, authority: str, *left_out: str
) -> tuple[AuthorityInjector, TrustDomain]:
    """Skips if the stack does not declare who trusts that authority, or nodes do not use it."""
    domains = replaceable(lab.stack, lab.topology)
    try:
        must_be_replaceable(lab.stack, domains, authority)
        injector = AuthorityInjector.of(lab, time_limit, domains[authority])
        injector.check(replaced(authority, AuthorityStage.NEW_SHOWN, *left_out))
    except InputError as trouble:
        raise MissingCapability(trouble.message) from trouble
    return injector, domains[authority]


def replaced(authority: str, stage: AuthorityStage, *left_out: str) -> ReplaceAuthority:
    return ReplaceAuthority(
        stage=stage,
        authority=authority,
        left_out=left_out if stage is AuthorityStage.NEW_SHOWN else (),
    )


@pytest.mark.scenario("authority replaced")
@pytest.mark.parametrize("authority", EACH_AUTHORITY)
@allure.title("The authority {authority} is replaced with all nodes online, and no sample is lost")
def test_the_authority_is_replaced_and_no_sample_is_lost(
    authority: str,
    lab: Lab,
    faults: FaultEngine,
    autonomy: Autonomy,
    probe: Prober,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    injector, domain = must_declare_trust(lab, time_limit, authority)
    met: list[IdentityVerdict] = []
    with autonomy.watching() as watch, contextlib.ExitStack() as stages:
        for stage in AuthorityStage:
            stages.enter_context(faults.inflict(replaced(authority, stage)))
            met += who_gets_in(lab, probe, injector, domain, stage)
            autonomy.hold(AFTERMATH_SECONDS)
    silent: list[str] = []
    # So that measures of the cluster's authority keep their names.
    subject = "authority" if authority == CLUSTER.name else f"authority {authority}"
    for stage in AuthorityStage:
        record = record_of(watch.recording, replaced(authority, stage))
        assert record.seen is not None
        assert record.heal_began is not None
        assert record.healed is not None
        ways = (
            ("there", Span(record.began, record.seen), record.proof),
            ("back", Span(record.heal_began, record.healed), record.cure),
        )
        for label, span, text in ways:
            title = f"{subject}, {stage}"
            measure(title, span.seconds, unit="s", better="lower", label=label)
            times = StageTimes.read(text).seconds
            for node, seconds in times.items():
                measure(f"{title}, reconnect", seconds, unit="s", node=node, label=label)
            for node in edges(lab):
                lost = unready_seconds_in(watch.recording, node, span)
                measure(f"{title}, not Ready", lost, unit="s", node=node, label=label)
                silence = longest_silence(watch.recording, node, span)
                server = lab.topology.server.name
                allowed = may_be_away(times, node, server, in_turn=injector.by_signer_alone)
                if silence is None or max(silence, lost) > allowed:
                    silent.append(
                        f"{node}, {stage} {label}: {silence} s silent, {lost} s not Ready"
                    )
    assert not silent, "\n".join(silent)
    failed = [str(verdict) for verdict in met if not verdict.passed]
    assert not failed, "\n".join(failed)
    expect = Expectation(api_gap_s=API_SECONDS)
    all_passed([autonomy.judge(watch, node, expect) for node in edges(lab)])


def who_gets_in(
    lab: Lab,
    probe: Prober,
    injector: AuthorityInjector,
    domain: TrustDomain,
    stage: AuthorityStage,
) -> list[IdentityVerdict]:
    """Probes with the old authority and the new one at each endpoint that verifies certificates."""
    succession, alone = injector.files.succession(), injector.by_signer_alone
    found = []

    def cases_at(stage: Stage) -> Iterator[UnderAuthority]:
        return under_authorities(
            probe.endpoints(), domain, succession, stage, by_signer_alone=alone
        )

    last_of_old = Stage.BOTH_TRUSTED if alone else Stage.NEW_SHOWN
    for case, last in zip(cases_at(stage.stage), cases_at(Stage.OLD_REMOVED), strict=True):
        client = client_of(lab, case.endpoint)
        records = list(case.aim(probe.target(case.endpoint, client)).try_all())
        found.append(probe.judge(client, [case.endpoint], records))
        if stage.stage is last_of_old and case.authority == succession.old:
            must_be_red(probe, last.endpoint, records)
    assert found, "no endpoint verifies certificates"
    return found


def client_of(lab: Lab, endpoint: Endpoint) -> str:
    """The probing node; the authority is the same for all."""
    server = lab.topology.server.name
    return edges(lab)[0] if endpoint.node == server else server


def must_be_red(probe: Prober, endpoint: Endpoint, records: list[ProbeRecord]) -> None:
    """The planted defect: an authority that was not removed is judged as if it had been."""
    met = [record.model_copy(update={"endpoint": endpoint.id}) for record in records]
    judged = probe.control("an authority that was not removed", endpoint, met)
    assert {check.finding for check in judged} == {Finding.LET_IN}, met


@pytest.mark.scenario("node left out while the authority was replaced")
@pytest.mark.parametrize("authority", EACH_AUTHORITY)
@allure.title(
    "{edge_node}, left out when {authority} is replaced, is NotReady until it gets a new "
    "certificate"
)
def test_a_node_that_is_left_out_is_lost(
    authority: str,
    lab: Lab,
    edge_node: LabNode,
    faults: FaultEngine,
    autonomy: Autonomy,
    probe: Prober,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    """The planted defect: a node that keeps its certificate is refused at the end, which the
    fault's own proof has also shown."""
    node = edge_node.name
    injector, domain = must_declare_trust(lab, time_limit, authority, node)
    last = replaced(authority, AuthorityStage.OLD_REMOVED)
    with autonomy.watching(node) as watch, contextlib.ExitStack() as stages:
        for stage in AuthorityStage:
            stages.enter_context(faults.inflict(replaced(authority, stage, node)))
        met = tried_with_its_own(lab, probe, injector, domain, edge_node)
        autonomy.hold(until_lost(lab))
    record = record_of(watch.recording, last)
    assert record.heal_began is not None
    assert record.seen is not None
    assert not ready_at(watch.recording, node, record.heal_began), "it was admitted anyway"
    stolen = [str(verdict) for verdict in met if not verdict.passed]
    assert not stolen, "\n".join(stolen)
    if not injector.by_signer_alone:  # otherwise it was refused one stage earlier
        title = "certificate of a node that was left out refused after"
        measure(title, (record.seen - record.began) / 1e9, unit="s", better="lower", node=node)
    expect = Expectation(must_detect=True, api_gap_s=API_SECONDS)
    verdict = autonomy.judge(watch, node, expect)
    assert verdict.passed, str(verdict)


def tried_with_its_own(
    lab: Lab, probe: Prober, injector: AuthorityInjector, domain: TrustDomain, node: LabNode
) -> list[IdentityVerdict]:
    """Probes with the certificate and key of a stolen node at each endpoint that verifies
    certificates: replacing the authority is the only way to revoke them."""
    held = must_hold(lab, node.name, "node")
    identity = Identity(node.machine.read(held.certificate), node.machine.read(held.key))
    stolen = replace(PROBES["right"], shows=lambda mint: identity)
    succession = injector.files.succession()
    found = []
    for case in under_authorities(probe.endpoints(), domain, succession, Stage.OLD_REMOVED):
        if case.authority == succession.old:
            client = client_of(lab, case.endpoint)
            record = case.aim(probe.target(case.endpoint, client)).try_one(stolen)
            found.append(probe.judge(client, [case.endpoint], [record]))
    return found
