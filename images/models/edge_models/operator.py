"""The operator of EdgeModel objects, with kopf: tells nodes what to serve, one after the other.

It keeps nothing: what it has told is in the ModelNode objects, and what nodes have done too.
"""

from __future__ import annotations

import copy
import logging
import os
import threading
import time
from collections.abc import Mapping
from typing import Any

import kopf

from .config import Config
from .kubeapi import GROUP, VERSION, Api, ApiTrouble, objects_path
from .rollout import Heard, NodeView, Wish, plan, status_of, view_of, wish_of

log = logging.getLogger("operator")

EVERY_SECONDS = 2.0
SILENT_SECONDS = 30.0
"""A node that has not reported for this time is not known any more."""


class Rollouts:
    """Reads ModelNodes and changes their specs."""

    def __init__(self, api: Api, namespace: str, silent: float = SILENT_SECONDS) -> None:
        self._api, self._namespace = api, namespace
        self._heard = Heard(silent)
        # kopf calls from several threads, and there is one connection.
        self._lock = threading.Lock()

    def step(self, edge_model: Mapping[str, Any]) -> dict[str, Any]:
        """Tells whom it is to tell, and returns the status of the EdgeModel."""
        with self._lock:
            wish = wish_of(edge_model)
            nodes = self._views(wish)
            found = plan(wish, nodes)
            for name in found.tell:
                log.info("%s is told to serve %s %s", name, wish.name, wish.version.tag)
                self._patch(name, wish.name, wish.of_node())
            for name in found.withdraw:
                log.info("%s is not told any more what to serve of %s", name, wish.name)
                self._patch(name, wish.name, None)
            return status_of(wish, found, nodes)

    def _patch(self, node: str, model: str, wish: Mapping[str, Any] | None) -> None:
        """None removes the wish."""
        path = objects_path(self._namespace, "modelnodes", node)
        self._api.call("PATCH", path, {"spec": {"models": {model: wish}}})

    def _views(self, wish: Wish) -> list[NodeView]:
        """In the order of the rollout."""
        found = self._api.call("GET", objects_path(self._namespace, "modelnodes"))["items"]
        now = time.monotonic()
        by_name = {
            one["metadata"]["name"]: view_of(
                one,
                wish.name,
                self._heard.look(
                    one["metadata"]["name"], (one.get("status") or {}).get("beat"), now
                ),
            )
            for one in found
        }
        return [by_name[name] for name in wish.order if name in by_name]


def wait_for_kinds(api: Api, namespace: str) -> None:
    """Returns when the API server has them: kopf would look for them only once."""
    while True:
        try:
            for plural in ("edgemodels", "modelnodes"):
                api.call("GET", objects_path(namespace, plural))
        except ApiTrouble as trouble:
            log.info("the kinds are not there yet: %s", str(trouble)[:120])
            time.sleep(EVERY_SECONDS)
        else:
            return


def run(config: Config) -> None:
    """Until SIGTERM."""
    api = config.client()
    silent = float(os.environ.get("SILENT_SECONDS", SILENT_SECONDS))
    rollouts = Rollouts(api, config.namespace, silent)
    wait_for_kinds(api, config.namespace)
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry)
    def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.posting.enabled = False
        settings.scanning.disabled = True
        # Behind an API server that is slow, or away.
        settings.networking.request_timeout = 30
        settings.watching.server_timeout = 60
        settings.watching.client_timeout = 90

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(
            server=config.api["url"],
            ca_path=config.api["authority"],
            certificate_path=config.api["certificate"],
            private_key_path=config.api["key"],
        )

    @kopf.timer(GROUP, VERSION, "edgemodels", interval=EVERY_SECONDS, registry=registry)
    def follow(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
        try:
            status = rollouts.step(body)
        except (ApiTrouble, KeyError, ValueError, TypeError) as trouble:
            log.warning("%s: %s", body.get("metadata", {}).get("name"), trouble)
            return
        known = {key: copy.deepcopy(body.status.get(key)) for key in status}
        for key, value in status.items():
            if known[key] != value:
                patch.status[key] = value

    kopf.run(
        registry=registry,
        standalone=True,
        namespaces=[config.namespace],
        liveness_endpoint=f"http://127.0.0.1:{config.health}/healthz",
    )
