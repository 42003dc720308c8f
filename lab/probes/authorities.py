"""Endpoints while the authority that they trust is replaced: whether certificates of the old and of
the new one are admitted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from types import MappingProxyType

from edge_lab.pki import Authority, Stage, Succession, TrustDomain
from edge_lab.probes.endpoint import Endpoint
from edge_lab.probes.expected import Expected, Policy
from edge_lab.probes.run import Target

RIGHT, STRANGER = "right", "foreign-ca-same-name"


@dataclass(frozen=True)
class UnderAuthority:
    """The peer that is to be admitted, with a certificate of one of the two authorities."""

    endpoint: Endpoint
    """The endpoint with this one probe, and the expected result at that stage."""
    authority: Authority

    def aim(self, target: Target) -> Target:
        """`target`, the endpoint as it is otherwise probed, with that certificate."""
        there = self.endpoint.as_client(target.dial.client)
        return replace(target, endpoint=there, mint=replace(target.mint, authority=self.authority))


def under_authorities(
    endpoints: Iterable[Endpoint],
    domain: TrustDomain,
    succession: Succession,
    stage: Stage,
    *,
    by_signer_alone: bool = False,
) -> Iterator[UnderAuthority]:
    """Each endpoint that verifies certificates of the domain, once with the old authority and once
    with the new one. An untrusted one is refused as a foreign authority. `by_signer_alone` as in
    `Succession.accepted`."""
    accepted = succession.accepted(stage, by_signer_alone=by_signer_alone)
    for endpoint in endpoints:
        known = endpoint.policy.expects
        if (
            endpoint.domain != domain
            or endpoint.right is None
            or not {RIGHT, STRANGER} <= set(known)
        ):
            continue
        for name, authority in (("old", succession.old), ("new", succession.new)):
            trusted = authority.certificate_pem in accepted
            expected = known[RIGHT if trusted else STRANGER]
            yield UnderAuthority(_named(endpoint, name, stage, expected), authority)


def _named(endpoint: Endpoint, name: str, stage: Stage, expected: Expected) -> Endpoint:
    words = stage.name.lower().replace("_", " ")
    return replace(
        endpoint,
        name=f"{endpoint.name}/{name} authority, {words}",
        policy=Policy("authority replaced", MappingProxyType({RIGHT: expected})),
    )
