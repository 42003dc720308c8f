"""Authorities and targets for probes of servers on loopback."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.pki import Authority, CertificateSpec
from edge_lab.probes.dial import SocketDial
from edge_lab.probes.endpoint import Endpoint, Speaks
from edge_lab.probes.expected import Policy
from edge_lab.probes.mint import Mint
from edge_lab.probes.run import Target

SPEC = CertificateSpec("system:node:edge-arm", ("system:nodes",))
OTHER = CertificateSpec("system:node:edge-riscv", ("system:nodes",))

TargetAt = Callable[[int, Policy], Target]


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.create("edge-lab cluster CA")


@pytest.fixture(scope="session")
def mint(authority: Authority) -> Mint:
    return Mint(authority, SPEC, OTHER)


@pytest.fixture
def target_at(mint: Mint) -> TargetAt:
    """An endpoint on loopback that is declared to be as a policy says."""

    def make(port: int, policy: Policy) -> Target:
        endpoint = Endpoint("it", "host", port, Speaks.HTTPS, "", "", policy, right=SPEC)
        return Target(endpoint, "127.0.0.1", SocketDial(), mint, limit=lambda: Deadline.after(10))

    return make
