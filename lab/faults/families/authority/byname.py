"""The injector of each authority of a lab, by the name of its trust domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from edge_lab.core.errors import InputError
from edge_lab.core.yamlmodel import did_you_mean
from edge_lab.faults.families.authority.injector import AuthorityInjector
from edge_lab.faults.families.authority.kinds import ReplaceAuthority
from edge_lab.faults.family import Injector, LabAccess
from edge_lab.faults.limits import TimeLimit

if TYPE_CHECKING:
    from edge_lab.pki import TrustDomain
    from edge_lab.stacks import Stack
    from edge_lab.topology import Topology


class AuthorityInjectors(Injector[ReplaceAuthority]):
    """Passes each fault to the injector of its authority."""

    def __init__(self, stack: Stack, by_name: Mapping[str, Injector[ReplaceAuthority]]) -> None:
        self._stack = stack
        self._by_name = by_name

    @classmethod
    def of(cls, lab: LabAccess, limit: TimeLimit) -> Self:
        domains = replaceable(lab.stack, lab.topology)
        return cls(
            lab.stack,
            {name: AuthorityInjector.of(lab, limit, domain) for name, domain in domains.items()},
        )

    def check(self, fault: ReplaceAuthority) -> None:
        self._find(fault).check(fault)

    def inject(self, fault: ReplaceAuthority) -> str:
        return self._find(fault).inject(fault)

    def heal(self, fault: ReplaceAuthority) -> str:
        return self._find(fault).heal(fault)

    def _find(self, fault: ReplaceAuthority) -> Injector[ReplaceAuthority]:
        must_be_replaceable(self._stack, self._by_name, fault.authority)
        return self._by_name[fault.authority]


def replaceable(stack: Stack, topology: Topology) -> dict[str, TrustDomain]:
    """The authorities that can be replaced, by name: those for which the stack declares where they
    sign, and who trusts them."""
    trusted = {bundle.domain for bundle in stack.trust_bundles(topology)}
    signing = (held.domain for held in stack.installed_authorities(topology))
    return {domain.name: domain for domain in signing if domain in trusted}


def must_be_replaceable(stack: Stack, known: Mapping[str, object], name: str) -> None:
    """Raises InputError with the reason, unless `name` is in `known`."""
    if name in known:
        return
    if known:
        raise InputError(
            f"no authority {name!r} of {stack.name} can be replaced",
            remedy=f"{did_you_mean(name, list(known))}Available: {', '.join(known)}.",
        )
    reason = stack.why_authority_stays or "Not all of its parts declare whom they trust."
    raise InputError(
        f"the stack {stack.name} does not declare what is needed to replace an authority",
        remedy=f"{reason} kubernetes+openyurt, kubernetes+kubelet and kubernetes+kubeedge do.",
    )


__all__ = ["AuthorityInjectors", "must_be_replaceable", "replaceable"]
