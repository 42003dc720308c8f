"""Kinds of objects in the API server, and queries with kubectl's arguments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Resource:
    """A kind of objects in the API server."""

    group: str
    """Empty for the core group."""
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def is_called(self, word: str) -> bool:
        """Whether kubectl accepts `word` as its name, apart from short names."""
        return word.lower() in (self.plural, self.kind.lower(), f"{self.plural}.{self.group}")


def _core(kind: str, namespaced: bool = True) -> Resource:
    return _plain("", kind, namespaced)


def _plain(group: str, kind: str, namespaced: bool = True) -> Resource:
    return Resource(group, "v1", kind, f"{kind.lower()}s", namespaced)


BUILT_IN = (
    _core("Pod"),
    _core("Node", namespaced=False),
    _core("Namespace", namespaced=False),
    _core("ConfigMap"),
    _core("Secret"),
    _core("Service"),
    _core("ServiceAccount"),
    _core("Event"),
    _plain("apps", "Deployment"),
    _plain("apps", "DaemonSet"),
    _plain("coordination.k8s.io", "Lease"),
    _plain("discovery.k8s.io", "EndpointSlice"),
    _plain("certificates.k8s.io", "CertificateSigningRequest", namespaced=False),
    _plain("apiextensions.k8s.io", "CustomResourceDefinition", namespaced=False),
    _plain("rbac.authorization.k8s.io", "ClusterRole", namespaced=False),
    _plain("rbac.authorization.k8s.io", "ClusterRoleBinding", namespaced=False),
    _plain("rbac.authorization.k8s.io", "Role"),
    _plain("rbac.authorization.k8s.io", "RoleBinding"),
)
"""Kinds that every API server has and the lab uses all the time, so that they need no discovery."""


@dataclass(frozen=True)
class Query:
    """A query for objects of one kind, by name or by selectors."""

    word: str
    """The kind by a name that kubectl accepts: pod, pods, devices.devices.kubeedge.io."""
    name: str = ""
    namespace: str = ""
    everywhere: bool = False
    labels: str = ""
    fields: str = ""

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        chosen = f" with {self.labels or self.fields}" if self.labels or self.fields else ""
        return " ".join(part for part in (self.word, self.name) if part) + where + chosen


_OPTIONS = {
    "-n": "namespace",
    "--namespace": "namespace",
    "-l": "labels",
    "--selector": "labels",
    "--field-selector": "fields",
}


def parse_query(args: Sequence[str]) -> Query:
    """The query of `kubectl get args…`.

    Raises:
        ValueError: the lab's client does not support it, although kubectl might.
    """
    words: list[str] = []
    options: dict[str, Any] = {}
    everywhere = False
    rest = iter(args)
    for word in rest:
        if word in ("-A", "--all-namespaces"):
            everywhere = True
        elif word.startswith("-"):
            option, value = _option(word, rest)
            options[option] = value
        else:
            words.append(word)
    if len(words) not in (1, 2) or not all(words):
        raise ValueError(f"expected a kind and at most one name: {' '.join(args)}")
    if len(words) > 1 and (everywhere or options.get("labels") or options.get("fields")):
        raise ValueError(f"a name and a selector exclude each other: {' '.join(args)}")
    word, name = (*words, "")[:2]
    return replace(Query(word, name, everywhere=everywhere), **options)


def _option(word: str, rest: Iterator[str]) -> tuple[str, str]:
    option, equals, value = word.partition("=")
    if option not in _OPTIONS:
        raise ValueError(f"not an option of the lab's client: {word}")
    found = value if equals else next(rest, None)
    if found is None:
        raise ValueError(f"{word} says nothing")
    return _OPTIONS[option], found
