"""The interface of the scenarios, implemented for a lab."""

from __future__ import annotations

import contextlib
import json
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from edge_lab.addons.models.content import ModelContent, model_content
from edge_lab.addons.models.names import (
    AGENT,
    EDGE_MODEL,
    FOLDER,
    MODEL,
    NAMESPACE,
    PORT,
    TOOL,
    unit,
)
from edge_lab.addons.models.objects import Stages, rollout_order, rollout_stages
from edge_lab.addons.models.programs import judged_device, period_ms
from edge_lab.addons.models.records import (
    Act,
    Requests,
    parse_acts,
    parse_requests,
)
from edge_lab.addons.models.versions import INPUTS, ModelVersion
from edge_lab.core.errors import LabError
from edge_lab.devices.points import MODBUS_PORT, MODBUS_UNIT, SETPOINT_REGISTER
from edge_lab.faults.kinds import Cut, DiskFull, Kill, Profile, Reboot
from edge_lab.observe.sandboxes import runtime_column
from edge_lab.oracles.models.evidence import Step
from suites.edges import uplink
from suites.models.side import Said, canary_region
from suites.waiting import WaitingSide

ASK_SECONDS = 120.0

_SERVING = (
    "import json, urllib.request as u; "
    f"print(json.load(u.urlopen('http://127.0.0.1:{PORT}/v1/models', timeout=30))"
    f".get({MODEL!r}, {{}}).get('digest', ''))"
)
_WRITE = (
    "import socket, struct, sys; host, port, unit, register, value = sys.argv[1:]; "
    "s = socket.create_connection((host, int(port)), 10); "
    "s.sendall(struct.pack('>HHHBBHH', 1, 0, 6, int(unit), 6, int(register), int(value))); "
    "sys.exit(len(s.recv(12)) != 12)"
)


@dataclass(frozen=True)
class LabSide(WaitingSide):
    """A `suites.models.side.Side`."""

    @property
    def nodes(self) -> tuple[str, ...]:
        topology = self.lab.topology
        return tuple(node.name for node in topology.edges if judged_device(topology, node))

    @property
    def order(self) -> tuple[str, ...]:
        return rollout_order(self.lab.topology)

    @property
    def stages(self) -> Stages:
        return rollout_stages(self.lab.topology)

    @property
    def _content(self) -> ModelContent:
        return model_content(period_ms(self.lab.topology))

    @property
    def versions(self) -> Mapping[str, ModelVersion]:
        return self._content.versions

    @property
    def digests(self) -> Mapping[str, str]:
        return self._content.digests

    def runtime(self, node: str) -> str:
        return runtime_column(self.lab, node)

    def now(self) -> float:
        return time.time()

    # -- on the node, over the management path -------------------------------------------------

    def run(self, node: str, command: str, seconds: float = ASK_SECONDS) -> str:
        return self.lab.machine(node).run(command, self.limit(seconds)).stdout

    def _text(self, node: str, name: str) -> str:
        path = f"{FOLDER}/{name}"
        return self.run(node, f"[ ! -e {path} ] || tr -d '\\000' <{path}")

    def acts(self, node: str) -> tuple[Act, ...]:
        return parse_acts(self._text(node, "agent.jsonl"))

    def requests(self, node: str) -> Requests:
        return parse_requests(self._text(node, "requests.jsonl"))

    def serving(self, node: str) -> str:
        done = self.lab.machine(node).run(
            shlex.join(("python3", "-I", "-c", _SERVING)), self.limit(ASK_SECONDS), check=False
        )
        return done.stdout.strip()

    def collected(self, node: str, tag: str) -> int:
        parts = self._content.parts(tag)
        names = [digest.removeprefix("sha256:") for digest in parts]
        whole = f"{FOLDER}/models/{MODEL}/versions/{self.digests[tag].removeprefix('sha256:')}"
        files = " ".join(f"{FOLDER}/models/{MODEL}/fetching/{name}" for name in names)
        found = self.run(
            node,
            f"if [ -d {whole} ]; then echo {self.size(tag)}; "
            f"else stat -c %s {files} 2>/dev/null; fi; true",
        )
        return sum(map(int, found.split()))

    def roll_back(self, node: str) -> None:
        self.run(node, f"{TOOL} rollback {MODEL}")

    def set_point(self, node: str, raw: int) -> None:
        topology = self.lab.topology
        device = judged_device(topology, topology.node(node))
        if device is None:
            raise LabError(f"{node} has no device")
        address = str(topology.links_of(device.name)[0].address)
        words = (address, MODBUS_PORT, MODBUS_UNIT, SETPOINT_REGISTER, raw)
        self.run(node, shlex.join(("python3", "-I", "-c", _WRITE, *map(str, words))))

    def ask(self, node: str, where: str, count: int) -> Mapping[str, Any]:
        inputs = ("700", "225", "225", "50", "0", "700")
        found: Mapping[str, Any] = json.loads(
            self.run(node, shlex.join((TOOL, "ask", where, MODEL, str(count), *inputs)), 300)
        )
        return found

    # -- elsewhere -----------------------------------------------------------------------------

    def steps(self, node: str) -> tuple[Step, ...]:
        topology = self.lab.topology
        device = judged_device(topology, topology.node(node))
        if device is None:
            return ()
        return tuple(
            Step(step.seq, step.time / 1e9, tuple(float(step.values[name]) for name in INPUTS))
            for step in self.lab.devices[device.name].steps()
        )

    def size(self, tag: str) -> int:
        return sum(self._content.parts(tag).values())

    def said(self) -> Said:
        deadline = self.limit(ASK_SECONDS)
        found = self.lab.kubectl.get_json(EDGE_MODEL, MODEL, "-n", NAMESPACE, deadline=deadline)
        status = found.get("status", {})
        return Said(
            generation=int(found["metadata"]["generation"]),
            observed=int(status.get("observedGeneration", 0)),
            phase=str(status.get("phase", "")),
            nodes=status.get("nodes", {}),
        )

    def want(self, tag: str) -> None:
        version = {"tag": tag, "digest": self.digests[tag]}
        # A note makes it another wish even if the version is the same as before.
        self._change({"version": version, "wish": self.now()})

    def _change(self, spec: Mapping[str, Any]) -> None:
        place = (EDGE_MODEL, MODEL, "-n", NAMESPACE)
        self.lab.kubectl.patch(*place, patch={"spec": spec}, deadline=self.limit(ASK_SECONDS))

    def canary(self, samples: int) -> AbstractContextManager[None]:
        return canary_region(self._change, self.stages, samples)

    # -- faults ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def offline(self, node: str) -> Iterator[None]:
        with self.faults.inflict(Cut(link=uplink(self.lab, node))):
            yield

    @contextlib.contextmanager
    def full_disk(self, node: str) -> Iterator[None]:
        with self.faults.inflict(DiskFull(node=node)):
            yield

    @contextlib.contextmanager
    def slow_cloud(self) -> Iterator[None]:
        server = self.lab.topology.server.name
        with self.faults.inflict(Profile(link=uplink(self.lab, server), name="3g")):
            yield

    @contextlib.contextmanager
    def slow_line(self, node: str) -> Iterator[None]:
        with self.faults.inflict(Profile(link=uplink(self.lab, node), name="3g")):
            yield

    def reset(self, node: str) -> None:
        with self.faults.inflict(Reboot(node=node)):
            pass  # healed when it is up again

    def kill_agent(self, node: str) -> None:
        with self.faults.inflict(Kill(node=node, service=unit(AGENT))):
            pass  # healed when systemd has started it again
