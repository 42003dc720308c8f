"""Hollow nodes: each says what a kubelet says, and its pods are records without a process.

What a node runs is its own: when it is out of reach, its pods go on as they were.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge_lab.addons.gitops.fleet import NO_SUCH_IMAGE, revision_of
from edge_lab.addons.witness import PART_LABEL, Run
from edge_lab.pki import CLUSTER
from edge_lab.stacks import identities as names
from tests.controlplane import NativeControlPlane

BEAT_SECONDS = 2.0
LOOK_SECONDS = 0.4
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class Api:
    """The API server, asked as its administrator."""

    def __init__(self, plane: NativeControlPlane, folder: Path) -> None:
        identity = plane.pki.identity(CLUSTER, names.ADMIN)
        files = {"admin.crt": identity.certificate_pem, "admin.key": identity.key_pem}
        for name, content in files.items():
            (folder / name).write_bytes(content)
        self._context = ssl.create_default_context(
            cadata=plane.pki.authority(CLUSTER).certificate_pem.decode()
        )
        self._context.load_cert_chain(folder / "admin.crt", folder / "admin.key")
        self._port = plane.server.port
        self._connection: http.client.HTTPSConnection | None = None

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """None if it is not there, or there already; OSError if nobody answers."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPSConnection(
                    "127.0.0.1", self._port, timeout=30, context=self._context
                )
            content = None if body is None else json.dumps(body)
            self._connection.request(method, path, content, {"Content-Type": kind})
            answer = self._connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as trouble:
            self._connection = None
            raise OSError(str(trouble)) from trouble
        if answer.status in (404, 409):
            return None
        if answer.status >= 400:
            raise OSError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class HollowNode:
    """One of them, in a thread of its own."""

    name: str
    api: Api
    subnet: str = ""
    """The beginning of its pods' addresses, such as `10.244.1.`; without it they have none."""
    reachable: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    troubles: list[str] = field(default_factory=list)
    _runs: dict[str, Run] = field(default_factory=dict)
    _number: int = 0
    _addresses: Iterator[int] = field(default_factory=lambda: itertools.count(2))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def runs(self) -> tuple[Run, ...]:
        with self._lock:
            return tuple(sorted(self._runs.values(), key=lambda run: run.began))

    def end_process(self, part: str) -> None:
        """It is killed, and started again at once, as a kubelet does."""
        now = time.time()
        with self._lock:
            (uid, run), *_ = (
                (uid, run)
                for uid, run in self._runs.items()
                if run.part == part and run.ended is None
            )
            self._number += 1
            self._runs[f"{uid}/{self._number}"] = replace(run, ended=now)
            self._runs[uid] = replace(run, process=str(self._number), began=now)

    def go(self) -> None:
        self._register()
        beaten = 0.0
        while not self.ended.wait(LOOK_SECONDS):
            if not self.reachable.is_set():
                continue
            try:
                if time.monotonic() > beaten + BEAT_SECONDS:
                    self._beat()
                    beaten = time.monotonic()
                self._sync()
            except OSError as trouble:
                self.troubles.append(str(trouble))

    def _register(self) -> None:
        labels = {"kubernetes.io/hostname": self.name}
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": labels},
        }
        self.api.ask("POST", "/api/v1/nodes", node)

    def _beat(self) -> None:
        condition = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "lastHeartbeatTime": _now(),
        }
        room = {"cpu": "4", "memory": "4Gi", "pods": "100"}
        status = {"conditions": [condition], "capacity": room, "allocatable": room}
        path = f"/api/v1/nodes/{self.name}/status"
        self.api.ask("PATCH", path, {"status": status}, STRATEGIC)

    def _sync(self) -> None:
        found = self.api.ask("GET", f"/api/v1/pods?fieldSelector=spec.nodeName%3D{self.name}")
        there = {pod["metadata"]["uid"]: pod for pod in found["items"]}
        for uid, pod in there.items():
            if "deletionTimestamp" in pod["metadata"]:
                self._end(uid)
                self._delete(pod)
            elif pod["spec"]["containers"][0]["image"] != NO_SUCH_IMAGE:
                self._start(uid, pod)
        for uid in list(self._runs):
            if "/" not in uid and uid not in there:
                self._end(uid)

    def _end(self, uid: str) -> None:
        with self._lock:
            run = self._runs.get(uid)
            if run is not None and run.ended is None:
                self._runs[uid] = replace(run, ended=time.time())

    def _delete(self, pod: dict[str, Any]) -> None:
        self.api.ask("DELETE", _path(pod), {"gracePeriodSeconds": 0})

    def _start(self, uid: str, pod: dict[str, Any]) -> None:
        if uid not in self._runs:
            part = pod["metadata"]["labels"].get(PART_LABEL, "")
            with self._lock:
                self._runs[uid] = Run(part, revision_of(pod), uid, time.time())
        if pod.get("status", {}).get("phase") != "Running":
            conditions = [
                {"type": kind, "status": "True", "lastTransitionTime": _now()}
                for kind in ("Initialized", "ContainersReady", "Ready")
            ]
            status: dict[str, Any] = {
                "phase": "Running",
                "conditions": conditions,
                "startTime": _now(),
            }
            if self.subnet:
                address = f"{self.subnet}{next(self._addresses)}"
                status |= {"podIP": address, "podIPs": [{"ip": address}]}
            self.api.ask("PATCH", f"{_path(pod)}/status", {"status": status}, STRATEGIC)


def _path(pod: dict[str, Any]) -> str:
    meta = pod["metadata"]
    return f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"


@contextlib.contextmanager
def hollow_nodes(
    plane: NativeControlPlane, folder: Path, nodes: tuple[str, ...], *, addresses: bool = False
) -> Iterator[dict[str, HollowNode]]:
    """They are Ready soon, and in reach; with `addresses`, their pods have some."""
    folder.mkdir()
    made = {
        name: HollowNode(name, Api(plane, folder), f"10.244.{number}." if addresses else "")
        for number, name in enumerate(nodes, 1)
    }
    threads = [threading.Thread(target=node.go, name=node.name) for node in made.values()]
    for node, thread in zip(made.values(), threads, strict=True):
        node.reachable.set()
        thread.start()
    try:
        yield made
    finally:
        for node in made.values():
            node.ended.set()
        for thread in threads:
            thread.join(60)
