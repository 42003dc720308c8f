"""Compares `kubectl auth can-i` for a node with the answers to requests for other nodes' objects.

can-i asks the API server's authorizers. It does not cover what admission refuses later, and its
list omits what the Node authorizer grants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edge_lab.core.errors import LabError
from edge_lab.probes.expected import Outcome
from edge_lab.probes.impersonation import trespasses

KUBECTL = ("auth", "can-i")
CanI = Callable[[Sequence[str]], str]
"""Runs kubectl as the node and returns its standard output; kubectl exits with 1 for a no."""

_RESTRICTED = "the Node authorizer grants it to each node; NodeRestriction refuses it at admission"
_SELECTED = "can-i sends no field selector, without which no node may list pods"
EXPLAINED: Mapping[str, str] = MappingProxyType(
    {
        "label-node": _RESTRICTED,
        "report-for-node": _RESTRICTED,
        "mirror-pod": _RESTRICTED,
        "list-own-pods": _SELECTED,
    }
)
"""By request, the reason why can-i and the answer differ."""


@dataclass(frozen=True)
class Disagreement:
    """A difference between can-i and the answer to the request."""

    request: str
    """Its name among the trespasses."""
    can_i: bool
    reason: str = ""
    """The reason; empty if it is not explained."""

    def __str__(self) -> str:
        said = "yes" if self.can_i else "no"
        return f"{self.request}: can-i says {said}" + (f" ({self.reason})" if self.reason else "")


def questions(own: str, other: str) -> dict[str, tuple[str, ...]]:
    """By name of each trespass, the arguments of can-i."""
    lease = "leases.coordination.k8s.io"
    return {
        "read-own-node": ("get", f"nodes/{own}"),
        "list-own-pods": ("list", "pods", "--all-namespaces"),
        "read-node": ("get", f"nodes/{other}"),
        "list-nodes": ("list", "nodes"),
        "list-pods": ("list", "pods", "--all-namespaces"),
        "list-all-pods": ("list", "pods", "--all-namespaces"),
        "list-secrets": ("list", "secrets", "--all-namespaces"),
        "list-config-maps": ("list", "configmaps", "--namespace=edge-lab"),
        "label-node": ("patch", f"nodes/{other}"),
        "report-for-node": ("patch", f"nodes/{other}", "--subresource=status"),
        "renew-lease": ("patch", f"{lease}/{other}", "--namespace=kube-node-lease"),
        "delete-node": ("delete", f"nodes/{other}"),
        "mirror-pod": ("create", "pods", "--namespace=default"),
        "list-roles": ("list", "clusterroles.rbac.authorization.k8s.io"),
    }


def disagreements(
    ask: CanI,
    own: str,
    other: str,
    let_in: Mapping[str, bool] | None = None,
    explained: Mapping[str, str] = EXPLAINED,
) -> tuple[Disagreement, ...]:
    """The differences between can-i and the requests: `let_in` by name, by default as declared."""
    met = let_in or {
        trespass.name: trespass.expected.outcome is Outcome.LET_IN
        for trespass in trespasses(own, other)
    }
    asked = {
        name: _yes(ask((*KUBECTL, *question)))
        for name, question in questions(own, other).items()
        if name in met
    }
    return tuple(
        Disagreement(name, may, explained.get(name, ""))
        for name, may in asked.items()
        if may is not met[name]
    )


def _yes(answer: str) -> bool:
    word = answer.split(maxsplit=1)[0] if answer.strip() else ""
    if word not in ("yes", "no"):
        raise LabError(f"`kubectl auth can-i` answered neither yes nor no: {answer!r}")
    return word == "yes"


def listed(table: str) -> frozenset[str]:
    """Parses the resources of `kubectl auth can-i --list`; LabError if it is not such a table."""
    header, *rows = table.splitlines() or [""]
    width = header.find("Non-Resource URLs")
    if not header.startswith("Resources") or width < 0:
        raise LabError(f"unexpected output of `kubectl auth can-i --list`: {header!r}")
    return frozenset(name for row in rows if "[" in row and (name := row[:width].strip()))


OF_EVERYONE = frozenset(
    {
        "selfsubjectreviews.authentication.k8s.io",
        "selfsubjectaccessreviews.authorization.k8s.io",
        "selfsubjectrulesreviews.authorization.k8s.io",
    }
)
"""What RBAC grants to all authenticated users (system:basic-user)."""


def granted(rules: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The resources of RBAC `rules`, as `kubectl auth can-i --list` names them."""
    return frozenset(
        f"{resource}.{group}" if group else resource
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    )
