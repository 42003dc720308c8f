"""Who gets in while an authority is replaced: a server of real TLS trusts what a stage says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edge_lab.oracles.identity import Finding, judge_identity
from edge_lab.pki import CLUSTER, DEVICES, Authority, Stage, Succession
from edge_lab.probes.authorities import under_authorities
from edge_lab.probes.endpoint import Endpoint
from edge_lab.probes.expected import ANYONE_BY_TLS, MUTUAL_TLS, alert
from edge_lab.probes.run import Target
from tests.probes.conftest import TargetAt
from tests.probes.servers import https, server_context, serving

POLICY = MUTUAL_TLS.but(foreign_ca_same_name=alert(48, 51))
"""OpenSSL's alert for a known name with an unknown key."""


@pytest.fixture(scope="module")
def succession(authority: Authority) -> Succession:
    return Succession(authority, authority.impostor())


@contextmanager
def trusting(
    succession: Succession, stage: Stage, folder: Path, target_at: TargetAt
) -> Iterator[Target]:
    """A server that is at that stage."""
    context = server_context(folder, succession.signer(stage))
    bundle = b"".join(succession.trusted(stage)).decode()
    context.load_verify_locations(cadata=bundle)
    with serving(https(context)) as port:
        yield target_at(port, POLICY)


def findings(
    target: Target, succession: Succession, stage: Stage, *, alone: bool = False
) -> list[Finding]:
    """Of the old authority's peer and of the new one's, as they shall fare at `stage`."""
    found = []
    for case in under_authorities(
        [target.endpoint], CLUSTER, succession, stage, by_signer_alone=alone
    ):
        records = list(case.aim(target).try_all())
        verdict = judge_identity("host", "test", records, {case.endpoint.id: case.endpoint})
        found += [judgement.finding for judgement in verdict.judged]
    return found


@pytest.mark.parametrize("stage", [Stage.BOTH_TRUSTED, Stage.NEW_SHOWN, Stage.OLD_REMOVED])
def test_each_authority_gets_in_for_as_long_as_it_is_trusted(
    succession: Succession, stage: Stage, tmp_path: Path, target_at: TargetAt
) -> None:
    with trusting(succession, stage, tmp_path, target_at) as target:
        assert findings(target, succession, stage) == [Finding.PASS, Finding.PASS]


def test_an_authority_that_was_not_removed_is_red(
    succession: Succession, tmp_path: Path, target_at: TargetAt
) -> None:
    """The planted defect."""
    with trusting(succession, Stage.NEW_SHOWN, tmp_path, target_at) as target:
        found = findings(target, succession, Stage.OLD_REMOVED)
    assert found == [Finding.LET_IN, Finding.PASS]


def test_a_server_that_does_not_know_the_new_one_yet_shuts_it_out(
    succession: Succession, tmp_path: Path, target_at: TargetAt
) -> None:
    with trusting(succession, Stage.BEFORE, tmp_path, target_at) as target:
        found = findings(target, succession, Stage.BOTH_TRUSTED)
    assert found == [Finding.PASS, Finding.SHUT_OUT]


@pytest.mark.parametrize("stage", [Stage.BOTH_TRUSTED, Stage.NEW_SHOWN, Stage.OLD_REMOVED])
def test_a_server_that_trusts_by_what_signs_alone_turns_the_other_away_at_each_stage(
    succession: Succession, stage: Stage, tmp_path: Path, target_at: TargetAt
) -> None:
    """As cloudcore of KubeEdge; and one that trusts both is red."""
    context = server_context(tmp_path, succession.signer(stage))
    context.load_verify_locations(cadata=succession.signer(stage).certificate_pem.decode())
    with serving(https(context)) as port:
        target = target_at(port, POLICY)
        assert findings(target, succession, stage, alone=True) == [Finding.PASS, Finding.PASS]
    with trusting(succession, Stage.BOTH_TRUSTED, tmp_path, target_at) as target:
        assert Finding.LET_IN in findings(target, succession, stage, alone=True)


def test_endpoints_that_verify_no_certificate_of_that_authority_are_left_out(
    succession: Succession, target_at: TargetAt
) -> None:
    it: Endpoint = target_at(1, POLICY).endpoint
    others = [
        replace(it, policy=ANYONE_BY_TLS),
        replace(it, domain=DEVICES),
        replace(it, right=None),
    ]
    assert not list(under_authorities(others, CLUSTER, succession, Stage.OLD_REMOVED))
