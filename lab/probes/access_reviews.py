"""What `kubectl auth can-i` says that a node may, beside what requests to other nodes' objects met.

It asks the API server's authorizers. What admission refuses later it does not see, and of what the
Node authorizer grants its list says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from edge_lab.core.errors import LabError
from edge_lab.probes.expected import Outcome
from edge_lab.probes.impersonation import trespasses

KUBECTL = ("auth", "can-i")
CanI = Callable[[Sequence[str]], str]
"""Standard output of kubectl with these arguments, as the node; it ends with 1 for a no."""

_RESTRICTED = "the Node authorizer grants it to each node; NodeRestriction refuses it at admission"
_SELECTED = "can-i names no field selector, without which no node may list pods"
EXPLAINED: Mapping[str, str] = MappingProxyType(
    {
        "label-node": _RESTRICTED,
        "report-for-node": _RESTRICTED,
        "mirror-pod": _RESTRICTED,
        "list-own-pods": _SELECTED,
    }
)
"""By request, why can-i says otherwise than the answer to it."""


@dataclass(frozen=True)
class Disagreement:
    """can-i and the request itself do not say the same."""

    request: str
    """Its name among the trespasses."""
    can_i: bool
    reason: str = ""
    """Empty if nobody has explained it."""

    def __str__(self) -> str:
        said = "yes" if self.can_i else "no"
        return f"{self.request}: can-i says {said}" + (f" ({self.reason})" if self.reason else "")


def questions(own: str, other: str) -> dict[str, tuple[str, ...]]:
    """By name of each trespass, what can-i is asked."""
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
    """Where can-i says otherwise than the requests came to: `let_in` by name, by default as they
    are declared."""
    met = let_in or {
        one.name: one.expected.outcome is Outcome.LET_IN for one in trespasses(own, other)
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
        raise LabError(f"`kubectl auth can-i` has answered neither yes nor no: {answer!r}")
    return word == "yes"


def listed(table: str) -> frozenset[str]:
    """Resources of `kubectl auth can-i --list`; LabError if it is no such table."""
    header, *rows = table.splitlines() or [""]
    width = header.find("Non-Resource URLs")
    if not header.startswith("Resources") or width < 0:
        raise LabError(f"`kubectl auth can-i --list` has answered in another form: {header!r}")
    return frozenset(name for row in rows if "[" in row and (name := row[:width].strip()))


OF_EVERYONE = frozenset(
    {
        "selfsubjectreviews.authentication.k8s.io",
        "selfsubjectaccessreviews.authorization.k8s.io",
        "selfsubjectrulesreviews.authorization.k8s.io",
    }
)
"""What RBAC gives to whoever is authenticated (system:basic-user)."""
