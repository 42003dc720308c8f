"""The kinds that an API server serves, discovered on demand, and again if one was missing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from edge_lab.cluster.errors import KubectlError, StatusError
from edge_lab.cluster.resources import BUILT_IN, Resource
from edge_lab.core.deadline import Deadline

Ask = Callable[[str, Deadline], Mapping[str, Any]]
"""GETs a path of the API server, and parses the answer."""


class Discovery:
    """Finds kinds by kubectl's names, or by those in a manifest.

    Caches only kinds that were found: others may be served a moment later.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._known: frozenset[Resource] = frozenset()
        self._lock = threading.Lock()

    def named(self, word: str, deadline: Deadline) -> Resource:
        """The kind that kubectl calls `word`, in its group's preferred version, or in another one
        if that does not have it.

        Raises:
            KubectlError: no such kind is served (yet), or the API server does not answer.
        """
        for resource in (*BUILT_IN, *self._known):
            if resource.is_called(word):
                return resource
        _, dot, group = word.partition(".")
        for version in self._versions(group if dot else None, deadline):
            for resource in self._served(version, deadline):
                if resource.is_called(word):
                    return self._remembered(resource)
        raise KubectlError(f"the API server has no kind {word}")

    def of_manifest(self, api_version: str, kind: str, deadline: Deadline) -> Resource:
        """The kind of an object with that `apiVersion` and `kind`.

        Raises:
            KubectlError: as for `named`.
        """
        for resource in (*BUILT_IN, *self._known):
            if (resource.api_version, resource.kind) == (api_version, kind):
                return resource
        for resource in self._served(api_version, deadline):
            if resource.kind == kind:
                return self._remembered(resource)
        raise KubectlError(f"the API server has no kind {kind} in {api_version}")

    def forget(self, resource: Resource) -> None:
        """Removes a kind that is no longer served, so that it is discovered again."""
        with self._lock:
            self._known -= {resource}

    def _remembered(self, resource: Resource) -> Resource:
        with self._lock:
            self._known |= {resource}
        return resource

    def _versions(self, group: str | None, deadline: Deadline) -> Iterator[str]:
        """The versions of a group, or of all, with the preferred ones first."""
        if group is None:
            yield "v1"
            groups = self._ask("/apis", deadline).get("groups", ())
        else:
            groups = [self._ask(f"/apis/{group}", deadline)]
        preferred = [str(each["preferredVersion"]["groupVersion"]) for each in groups]
        yield from preferred
        for each in groups:
            served = (str(version["groupVersion"]) for version in each.get("versions", ()))
            yield from (version for version in served if version not in preferred)

    def _served(self, api_version: str, deadline: Deadline) -> Iterator[Resource]:
        group, _, version = api_version.rpartition("/")
        try:
            answer = self._ask(f"/apis/{api_version}" if group else f"/api/{version}", deadline)
        except StatusError as trouble:
            if trouble.kind_missing:
                return
            raise
        for resource in answer.get("resources", ()):
            if "/" not in resource["name"]:
                yield Resource(
                    group, version, resource["kind"], resource["name"], resource["namespaced"]
                )
