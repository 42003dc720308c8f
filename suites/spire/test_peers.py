"""Which peers the collector admits, and a copied identity before and after it expires."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.spire.names import account_id
from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.accounts import SAMPLER_ACCOUNT, SAMPLER_ID
from edge_lab.fixtures.lab import TimeLimit
from suites.spire.clients import running_clients, wrongly_judged
from suites.spire.observations import until_time
from suites.spire.registry import Registry
from suites.spire.waits import until_known

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Workload identity"),
    allure.feature("Peers"),
    pytest.mark.needs("workload-identity"),
]

SHORT_SECONDS = 60
"""Lifetime of an SVID that expires during the test. SPIRE backdates it by 10 s."""
STRANGER, NOBODY, OWN, ELSEWHERE = "spire-stranger", "spire-nobody", "spire-own", "spire-elsewhere"
ADMITTED = frozenset({OWN})


@pytest.mark.scenario("identities at the collector")
@allure.title("The collector admits the sampler's identity, and no other pod")
def test_only_samplers_are_let_in(
    lab: Lab, registry: Registry, edge: str, time_limit: TimeLimit
) -> None:
    places = {
        OWN: (edge, SAMPLER_ACCOUNT),
        STRANGER: (edge, STRANGER),
        NOBODY: (edge, NOBODY),
        # The account is right, but not registered on this node.
        ELSEWHERE: (lab.topology.server.name, SAMPLER_ACCOUNT),
    }
    stranger_id = account_id(NAMESPACE, STRANGER)
    with (
        running_clients(lab, places, time_limit) as clients,
        registry.entry(STRANGER, edge, stranger_id, STRANGER),
    ):
        for name in (OWN, STRANGER):
            until_known(clients[name], time_limit)
        attempts = {name: client.call() for name, client in clients.items()}
        assert wrongly_judged(attempts, ADMITTED) == {}
        assert clients[STRANGER].svid().shown().id == stranger_id
        assert attempts[STRANGER].refused_by_certificate, str(attempts[STRANGER])
        for name in (NOBODY, ELSEWHERE):
            found = clients[name].svid()
            assert found.without_identity, f"{name}: {found}"
            # Without an identity there is nothing to present.
            anonymous = clients[name].call("--anonymous")
            assert anonymous.certificate_missed, f"{name}: {anonymous}"


@pytest.mark.scenario("SPIRE: wrong registration entry")
@allure.title(
    "A pod that is wrongly registered as the sampler is admitted, which is detected (control)"
)
def test_a_wrong_entry_is_seen(
    lab: Lab, registry: Registry, edge: str, time_limit: TimeLimit
) -> None:
    with (
        running_clients(lab, {STRANGER: (edge, STRANGER)}, time_limit) as clients,
        registry.entry(STRANGER, edge, SAMPLER_ID, STRANGER),
    ):
        until_known(clients[STRANGER], time_limit)
        attempts = {STRANGER: clients[STRANGER].call()}
        assert set(wrongly_judged(attempts, ADMITTED)) == {STRANGER}


@pytest.mark.scenario("SPIRE: stolen identity")
@allure.title("A stolen identity is admitted until it expires, and not longer")
def test_a_copy_is_refused_after_its_end(
    lab: Lab, registry: Registry, edge: str, time_limit: TimeLimit
) -> None:
    victim, thief = "spire-victim", "spire-thief"
    places = {victim: (edge, victim), thief: (edge, thief)}
    with (
        running_clients(lab, places, time_limit) as clients,
        registry.entry(victim, edge, SAMPLER_ID, victim, SHORT_SECONDS),
    ):
        until_known(clients[victim], time_limit)
        copied = clients[victim].svid(save=True).shown()
        # The control: it is admitted before, so the later refusal is due to its expiry.
        fresh = clients[thief].call_with_stolen_identity()
        assert fresh.ok, f"a copy that is still valid: {fresh}"
        until_time(lab, copied.not_after + 1, time_limit)
        late = clients[thief].call_with_stolen_identity()
        assert late.refused_by_certificate, f"after its expiry: {late}"
        # And its owner has a new one by now.
        assert clients[victim].svid().shown().serial != copied.serial
        renewed = clients[victim].call()
        assert renewed.ok, str(renewed)
