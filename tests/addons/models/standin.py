"""The suite's scenarios on processes of this host."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from edge_lab.addons.models.content import model_content
from edge_lab.addons.models.names import MODEL, NAMESPACE
from edge_lab.addons.models.objects import Stages
from edge_lab.addons.models.records import Act, Requests, parse_acts, parse_requests
from edge_lab.addons.models.versions import ModelVersion
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.devices.points import SETPOINT_REGISTER
from edge_lab.oracles.models.evidence import Step
from suites.models.side import Said, canary_region
from tests.addons.models.site import Site, command, environment
from tests.smalldisk import filled

SECONDS = 120.0
SLOW_BYTES = 400_000.0


@dataclass
class NativeSide:
    """suites.models.side.Side."""

    site: Site
    defect: str = ""
    """Of all agents and servers that are started from now on."""

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(name for name, node in self.site.nodes.items() if not node.cloud)

    @property
    def order(self) -> tuple[str, ...]:
        return tuple(self.site.nodes)

    @property
    def stages(self) -> Stages:
        return self.site.stages

    @property
    def versions(self) -> Mapping[str, ModelVersion]:
        return model_content(1000).versions

    @property
    def digests(self) -> Mapping[str, str]:
        return self.site.digests

    def runtime(self, node: str) -> str:
        return "native"

    def now(self) -> float:
        return time.time()

    def _text(self, node: str, name: str) -> str:
        path = self.site.nodes[node].state / name
        return path.read_text() if path.exists() else ""

    def acts(self, node: str) -> tuple[Act, ...]:
        return parse_acts(self._text(node, "agent.jsonl"))

    def requests(self, node: str) -> Requests:
        return parse_requests(self._text(node, "requests.jsonl"))

    def steps(self, node: str) -> tuple[Step, ...]:
        return () if self.site.nodes[node].cloud else self.site.plant.known()

    def serving(self, node: str) -> str:
        url = f"http://127.0.0.1:{self.site.nodes[node].port}/v1/models"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return str(json.load(answer).get(MODEL, {}).get("digest", ""))
        except OSError:
            return ""

    def collected(self, node: str, tag: str) -> int:
        folder = self.site.nodes[node].state / "models" / MODEL
        if (folder / "versions" / self.digests[tag].removeprefix("sha256:")).is_dir():
            return self.size(tag)
        parts = model_content(1000).parts(tag)
        paths = [folder / "fetching" / digest.removeprefix("sha256:") for digest in parts]
        return sum(path.stat().st_size for path in paths if path.exists())

    def size(self, tag: str) -> int:
        return sum(model_content(1000).parts(tag).values())

    def said(self) -> Said:
        found = self.site.find("edgemodels", MODEL)
        status = found.get("status", {})
        return Said(
            int(found["metadata"]["generation"]),
            int(status.get("observedGeneration", 0)),
            str(status.get("phase", "")),
            status.get("nodes", {}),
        )

    def want(self, tag: str) -> None:
        version = {"tag": tag, "digest": self.digests[tag]}
        self._change({"version": version, "wish": self.now()})

    def _change(self, spec: Mapping[str, Any]) -> None:
        place = ("edgemodels", MODEL, "-n", NAMESPACE)
        kubectl, limit = self.site.plane.kubectl, Deadline.scaled(SECONDS)
        kubectl.patch(*place, patch={"spec": spec}, deadline=limit)

    def canary(self, samples: int) -> AbstractContextManager[None]:
        return canary_region(self._change, self.stages, samples)

    def _run(self, node: str, *words: str) -> str:
        done = subprocess.run(
            command(self.site.nodes[node].config, *words),
            capture_output=True,
            text=True,
            env=environment(),
            timeout=SECONDS,
        )
        if done.returncode:
            raise LabError(done.stderr)
        return done.stdout

    def roll_back(self, node: str) -> None:
        self._run(node, "rollback", MODEL)

    def set_point(self, node: str, raw: int) -> None:
        self.site.plant.write(SETPOINT_REGISTER, raw)

    def ask(self, node: str, where: str, count: int) -> Mapping[str, Any]:
        inputs = ("700", "225", "225", "50", "0", "700")
        found: Mapping[str, Any] = json.loads(
            self._run(node, "ask", where, MODEL, str(count), *inputs)
        )
        return found

    def until(self, what: str, probe: Callable[[], Any], seconds: float) -> Any:
        return self.site.until(what, probe, seconds)

    def seen(self, probe: Callable[[], Any], seconds: float) -> bool:
        with contextlib.suppress(DeadlineExceeded):
            limit = Deadline.after(seconds)
            limit.wait_for(
                "it", probe, every=0.3, transient=(*NOT_YET, OSError), watch=self.site.watch
            )
            return True
        return False

    @contextlib.contextmanager
    def offline(self, node: str) -> Iterator[None]:
        with self.site.nodes[node].line.cut():
            yield

    @contextlib.contextmanager
    def full_disk(self, node: str) -> Iterator[None]:
        folder = self.site.nodes[node].state
        if not folder.is_mount():
            pytest.skip("no file system can be mounted here: run as root")
        with filled(folder):
            yield

    @contextlib.contextmanager
    def slow_cloud(self) -> Iterator[None]:
        with contextlib.ExitStack() as undo:
            for node in self.site.nodes.values():
                undo.enter_context(node.line.slow(SLOW_BYTES))
            yield

    @contextlib.contextmanager
    def slow_line(self, node: str) -> Iterator[None]:
        with self.site.nodes[node].line.slow(20_000):
            yield

    def reset(self, node: str) -> None:
        self.site.nodes[node].end()
        self.site.nodes[node].start(self.defect)

    def kill_agent(self, node: str) -> None:
        self.site.nodes[node].kill_agent(self.defect)

    @contextlib.contextmanager
    def with_defect(self, node: str, defect: str) -> Iterator[None]:
        """The node's programs have a planted defect."""
        found = self.site.nodes[node]
        found.end()
        found.start(defect)
        try:
            yield
        finally:
            found.end()
            found.start()
