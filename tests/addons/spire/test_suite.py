"""How the suite judges: each of its rules sees the defect that it is for."""

from __future__ import annotations

import json

import pytest

from edge_lab.core.errors import LabError
from suites.spire.clients import Attempt, Shown, client_pod, parse_attempt, wrongly_judged
from suites.spire.observations import Observed, offline_problems

LAST = Shown("spiffe://d/x", "7", 100.0)
RIGHT = Attempt(True, "", 200)
REFUSED = Attempt(False, "read before write: remote error: tls: bad certificate")


def svid(serial: str = "7") -> Attempt:
    return Attempt(True, "", {"id": LAST.id, "serial": serial, "not_after": 100_000_000_000})


def test_who_is_let_in_wrongly_or_not_at_all_is_named() -> None:
    admitted = frozenset({"own"})
    assert wrongly_judged({"own": RIGHT, "stranger": REFUSED}, admitted) == {}
    found = wrongly_judged({"own": REFUSED, "stranger": RIGHT}, admitted)
    assert found == {"own": REFUSED.error, "stranger": "let in"}


def test_an_svid_that_lasts_to_its_end_is_no_complaint() -> None:
    observed = [Observed(float(time), svid()) for time in (10, 50, 90, 101)]
    assert offline_problems(LAST, observed) == []


@pytest.mark.parametrize(
    ("observation", "count"),
    [
        (Observed(50.0, svid("8")), 1),  # the uplink was not cut
        (Observed(50.0, Attempt(False, "connection refused")), 1),  # gone before its end
        (Observed(101.0, Attempt(False, "connection refused")), 0),  # over anyway
    ],
)
def test_another_or_none_while_it_is_good_is_a_complaint(observation: Observed, count: int) -> None:
    observed = [Observed(float(time), svid()) for time in (10, 20, 90)]
    assert len(offline_problems(LAST, [*observed, observation])) == count


def test_what_was_hardly_seen_is_no_proof() -> None:
    assert len(offline_problems(LAST, [Observed(101.0, svid())])) == 1


def test_reasons_of_refusals_are_told_apart() -> None:
    anonymous = parse_attempt(json.dumps({"ok": False, "error": "tls: certificate required"}))
    unknown = parse_attempt(json.dumps({"ok": False, "error": "desc = no identity issued"}))
    assert anonymous.certificate_missed
    assert not anonymous.refused_by_certificate
    assert unknown.without_identity
    assert REFUSED.refused_by_certificate
    assert not REFUSED.without_identity
    assert parse_attempt(json.dumps({"ok": True, "value": svid().value})).shown() == LAST


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}"])
def test_no_answer_of_a_probe_is_a_lab_error(text: str) -> None:
    with pytest.raises(LabError):
        parse_attempt(text)


def test_a_client_has_its_account_and_the_workload_api() -> None:
    pod = client_pod("x", "edge-arm", "stranger")
    assert pod["spec"]["serviceAccountName"] == "stranger"
    mounts = {mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
    assert "/run/spire/agent" in mounts
