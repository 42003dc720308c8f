"""The lab's client of an API server: lightkube with persistent connections.

Importing it takes a quarter of a second, so import it late where it may not be needed.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import msgspec
import yaml
from lightkube import Client
from lightkube.config.client_adapter import user_auth, verify_cluster
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ApiError, ConfigError, NotReadyError
from lightkube.generic_resource import (
    GenericGlobalResource,
    GenericGlobalStatus,
    GenericNamespacedResource,
    create_api_info,
)
from lightkube.types import CascadeType, PatchType

from edge_lab.cluster.discovery import Discovery
from edge_lab.cluster.errors import (
    INTERNAL,
    INVALID,
    UNAUTHORIZED,
    KubectlError,
    RequestRefused,
    StatusError,
)
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.resources import Query, Resource
from edge_lab.cluster.transport import AGAIN, ApiTransport, WatchTransport, until
from edge_lab.cluster.watch import Event
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError

FIELD_MANAGER = "edge-lab"
"""The owner of fields that the lab applies (server-side apply)."""

REQUEST_SECONDS = 60.0
"""Time limit of a request in seconds, unless its deadline is earlier."""

UNAUTHORIZED_SECONDS = 60.0
"""Seconds of nothing but 401 after which the API server counts as not knowing the lab's
certificates; while its clock is not set yet, it considers them not valid yet."""

WATCH_SECONDS = 60
"""Seconds after which the API server ends a watch request; the watch then continues."""

SILENCE_SECONDS = 30.0
"""Seconds after that until an API server that has not ended the request counts as gone."""

UNREADABLE = (
    *(ConfigError, yaml.YAMLError, msgspec.MsgspecError),
    *(OSError, ValueError, LookupError, AttributeError, TypeError),
)
"""Errors of reading an invalid kubeconfig."""

T = TypeVar("T")


class ApiClient:
    """A client of the API server of one kubeconfig. Thread-safe.

    All requests raise:
        KubectlError: refused or not answered, but may succeed later (`edge_lab.cluster.errors`).
        RequestRefused: refused permanently.
        DeadlineExceeded: there was no time left at the beginning.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self._config, self._context = _read(kubeconfig)
        self._transport = ApiTransport(self._context)
        self._client = _client(self._config, self._transport)
        self._plain = httpx2.Client(
            base_url=self._config.cluster.server,
            auth=user_auth(self._config.user),
            transport=self._transport,
            trust_env=False,
        )
        self._discovery = Discovery(self._parsed)
        self._unauthorized_since: float | None = None

    def close(self) -> None:
        self._transport.close()

    # -- Reading -----------------------------------------------------------------------------

    def get(self, query: Query, deadline: Deadline) -> dict[str, Any]:
        """One object; without a name, `{"items": [...]}`."""
        if not query.name:
            return {"kind": "List", "items": self.items(query, deadline)}
        resource = self._discovery.named(query.word, deadline)

        def asked() -> dict[str, Any]:
            found = self._client.get(_class(resource), query.name, **self._in(query, resource))
            return dict(found)

        return self._served(resource, f"get {query}", deadline, asked)

    def find(self, query: Query, deadline: Deadline) -> dict[str, Any] | None:
        """Like `get` for one object; None if it does not exist."""
        try:
            return self.get(query, deadline)
        except StatusError as trouble:
            if trouble.reason == "NotFound" and not trouble.kind_missing:
                return None
            raise

    def items(self, query: Query, deadline: Deadline) -> list[dict[str, Any]]:
        """All objects that the query selects."""
        if query.name:
            raise ValueError(f"the items of one object: {query}")
        resource = self._discovery.named(query.word, deadline)

        def asked() -> list[dict[str, Any]]:
            found = self._listed(self._client, query, resource)
            return [_with_kind(item, resource) for item in found]

        return self._served(resource, f"list {query}", deadline, asked)

    def raw(self, path: str, deadline: Deadline) -> str:
        """The answer to a GET of `path`, such as /readyz."""
        return self._asked(f"get {path}", deadline, lambda: self._plain.get(path).text)

    # -- Changes -----------------------------------------------------------------------------

    def apply(self, manifest: Manifest, deadline: Deadline) -> None:
        """Server-side apply; takes over fields of other owners."""
        name = manifest["metadata"]["name"]
        query = Query(manifest["kind"], name, manifest["metadata"].get("namespace", ""))
        resource = self._discovery.of_manifest(manifest["apiVersion"], manifest["kind"], deadline)
        self._patched(query, resource, dict(manifest), deadline, PatchType.APPLY)

    def patch(self, query: Query, patch: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
        """A merge patch: null removes a field, lists are replaced. Returns the patched object."""
        resource = self._discovery.named(query.word, deadline)
        return self._patched(query, resource, dict(patch), deadline, PatchType.MERGE)

    def _patched(
        self,
        query: Query,
        resource: Resource,
        patch: dict[str, Any],
        deadline: Deadline,
        kind: PatchType,
    ) -> dict[str, Any]:
        def asked() -> dict[str, Any]:
            found = self._client.patch(
                _class(resource),
                query.name,
                patch,
                patch_type=kind,
                field_manager=FIELD_MANAGER,
                force=True,
                **self._in(query, resource),
            )
            return dict(found)

        verb = "apply" if kind is PatchType.APPLY else "patch"
        return self._served(resource, f"{verb} {query}", deadline, asked)

    def delete(self, query: Query, deadline: Deadline, *, grace_s: int | None) -> None:
        """Requests the deletion of one object, if it exists; does not wait until it is gone.

        `grace_s` replaces a pod's own grace period, in seconds.
        """
        resource = self._discovery.named(query.word, deadline)

        def asked() -> None:
            self._client.delete(
                _class(resource),
                query.name,
                grace_period=grace_s,
                cascade=CascadeType.BACKGROUND,
                **self._in(query, resource),
            )

        try:
            self._served(resource, f"delete {query}", deadline, asked)
        except StatusError as trouble:
            if trouble.reason != "NotFound" or trouble.kind_missing:
                raise

    def decide(self, request: str, decision: str, deadline: Deadline) -> None:
        """Sets a certificate signing request to Approved or Denied."""
        condition = {
            "type": decision,
            "status": "True",
            "reason": "EdgeLab",
            "message": "by the lab that the cluster belongs to",
            "lastUpdateTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        patch = {"status": {"conditions": [condition]}}

        def asked() -> None:
            self._client.patch(_approval(), request, patch, patch_type=PatchType.STRATEGIC)

        self._asked(f"{decision} {request}", deadline, asked)

    # -- Watches -----------------------------------------------------------------------------

    def feed(self, query: Query) -> ObjectFeed:
        """All objects that the query selects, as ADDED, followed by their changes."""
        silence = WATCH_SECONDS + Deadline.scaled(SILENCE_SECONDS).total
        transport = WatchTransport(self._context, silence)

        def events() -> Iterator[Event]:
            resource = self._discovery.named(query.word, Deadline.scaled(REQUEST_SECONDS))
            client = _client(self._config, transport)
            listed = self._listed(client, query, resource)
            for item in listed:
                yield "ADDED", _with_kind(item, resource)
            # From the version of the list: those of the objects are unordered, and may be too old
            # for the API server.
            watched = client.watch(
                _class(resource),
                labels=_pairs(query.labels),
                fields=_pairs(query.fields),
                server_timeout=WATCH_SECONDS,
                resource_version=listed.resourceVersion,
                **self._in(query, resource),
            )
            for kind, item in watched:
                if kind != "BOOKMARK":
                    yield kind, dict(item)

        return ObjectFeed(transport, events)

    def _listed(self, client: Client, query: Query, resource: Resource) -> Any:
        return client.list(
            _class(resource),
            labels=_pairs(query.labels),
            fields=_pairs(query.fields),
            **self._in(query, resource),
        )

    # -- Requests ----------------------------------------------------------------------------

    def _in(self, query: Query, resource: Resource) -> dict[str, Any]:
        """The namespace, for namespaced objects."""
        if not resource.namespaced:
            return {}
        return {"namespace": "*" if query.everywhere else query.namespace or None}

    def _served(self, resource: Resource, what: str, deadline: Deadline, ask: Callable[[], T]) -> T:
        try:
            return self._asked(what, deadline, ask)
        except StatusError as trouble:
            if trouble.kind_missing:
                self._discovery.forget(resource)
            raise

    def _asked(self, what: str, deadline: Deadline, ask: Callable[[], T]) -> T:
        deadline.check(what)
        limit = deadline.within(REQUEST_SECONDS)
        for left in reversed(range(AGAIN + 1)):
            try:
                with until(limit):
                    answer = ask()
            except StatusError as trouble:
                self._refuse_for_good(trouble)
                wait = trouble.retry_after
                if wait is None or wait >= limit.remaining or not left:
                    raise
                time.sleep(wait)
            except (ValueError, msgspec.MsgspecError) as trouble:
                raise LabError(f"{what}: the API server did not answer with JSON") from trouble
            else:
                self._unauthorized_since = None
                return answer
        raise AssertionError  # the last attempt returns or raises

    def _refuse_for_good(self, trouble: StatusError) -> None:
        if trouble.code == INVALID:
            raise RequestRefused(trouble) from trouble
        if trouble.code != UNAUTHORIZED:
            self._unauthorized_since = None
            return
        now = time.monotonic()
        since = self._unauthorized_since
        if since is None:
            self._unauthorized_since = now
        elif now - since > Deadline.scaled(UNAUTHORIZED_SECONDS).total:
            raise RequestRefused(trouble) from trouble

    def _parsed(self, path: str, deadline: Deadline) -> Mapping[str, Any]:
        text = self.raw(path, deadline)
        try:
            parsed = json.loads(text)
        except ValueError as trouble:
            raise LabError(f"{path}: the API server did not answer with JSON") from trouble
        if not isinstance(parsed, dict):
            raise LabError(f"{path}: the API server did not answer with an object")
        return parsed


class ObjectFeed:
    """The events of a watch, which another thread can end."""

    def __init__(self, transport: WatchTransport, events: Callable[[], Iterator[Event]]) -> None:
        self._transport = transport
        self._events = events

    def __iter__(self) -> Iterator[Event]:
        try:
            yield from self._events()
        except ApiError as trouble:
            raise _ended(trouble) from trouble
        except (httpx2.HTTPError, msgspec.MsgspecError, NotReadyError) as trouble:
            raise KubectlError(f"the watch has ended: {trouble}") from trouble

    def sever(self) -> None:
        self._transport.sever()

    def close(self) -> None:
        self._transport.close()


def _class(resource: Resource) -> Any:
    """A kind for lightkube, which needs a class. Its objects are plain dicts."""
    base = GenericNamespacedResource if resource.namespaced else GenericGlobalResource
    info = create_api_info(resource.group, resource.version, resource.kind, resource.plural)
    return type(resource.kind, (base,), {"_api_info": info})


def _with_kind(item: Mapping[str, Any], resource: Resource) -> dict[str, Any]:
    """An item of a list, which lacks `kind` and `apiVersion`."""
    return {"apiVersion": resource.api_version, "kind": resource.kind, **item}


def _ended(trouble: ApiError) -> StatusError:
    """The error in an event of the type ERROR, such as 410: the version is too old."""
    status = trouble.status
    said = {"kind": "Status", "message": status.message, "reason": status.reason}
    body = json.dumps(said).encode()
    return StatusError("the watch has ended", status.code or INTERNAL, body)


def _approval() -> Any:
    """certificatesigningrequests/approval, for lightkube."""
    group, kind = "certificates.k8s.io", "CertificateSigningRequest"
    info = create_api_info(group, "v1", kind, "certificatesigningrequests", verbs=["patch"])
    info = replace(info, parent=info.resource, action="approval")
    return type("Approval", (GenericGlobalStatus,), {"_api_info": info})


def _client(config: SingleConfig, transport: httpx2.BaseTransport) -> Client:
    return Client(config=config, transport=transport, trust_env=False, field_manager=FIELD_MANAGER)


def _pairs(selector: str) -> dict[str, Any] | None:
    """key=value,… in lightkube's format."""
    if not selector:
        return None
    pairs = [pair.partition("=") for pair in selector.split(",")]
    if not all(key and equals for key, equals, _ in pairs) or "!" in selector:
        raise ValueError(f"a selection by more than equality: {selector}")
    return {key: value.removeprefix("=") for key, _, value in pairs}


def _read(kubeconfig: Path) -> tuple[SingleConfig, ssl.SSLContext]:
    """The cluster and user of the current context.

    Raises:
        KubectlError: the file does not exist (yet), or is not a kubeconfig.
    """
    try:
        config = KubeConfig.from_file(kubeconfig).get()
        if config is None or config.user is None:
            raise KubectlError(f"{kubeconfig} has no current context with a user")
        context = verify_cluster(config.cluster, config.user, config.abs_file, trust_env=False)
    except UNREADABLE as trouble:
        raise KubectlError(f"{kubeconfig} is not a kubeconfig: {trouble}") from trouble
    # As in Python before 3.13, and in kubectl: not all authorities of other distributions comply
    # strictly with RFC 5280.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return config, context
