"""A control plane, a registry, a boiler, and nodes as processes of this host, by the add-on's own
objects, rights, content and programs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge_lab.addons.cache.content import STORAGE
from edge_lab.addons.cache.registry import origin_config
from edge_lab.addons.models.content import model_content
from edge_lab.addons.models.identities import (
    MODELS_DOMAIN,
    OPERATOR_USER,
    agent_user,
    client_spec,
    server_spec,
)
from edge_lab.addons.models.names import MODEL, NAMESPACE
from edge_lab.addons.models.objects import (
    Stages,
    definitions,
    edge_model_manifest,
    node_manifest,
    rights,
)
from edge_lab.addons.models.programs import SOURCE, feed_config, judged_device
from edge_lab.addons.models.versions import BASELINE
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.ports import choose_ports
from edge_lab.pki import CLUSTER, Authority, CertificateSpec
from edge_lab.topology import Topology
from tests.addons.models.boiler import STEP_SECONDS, Plant, running_boiler
from tests.addons.models.relay import Line
from tests.controlplane import NativeControlPlane
from tests.smalldisk import perhaps_small_disk

LIMIT = 240.0
SILENT_SECONDS = "8"
NORMAL = "edge_models"
"""The module that runs the programs; `tests.addons.models.defects` has others."""


def registry_program() -> str:
    found = shutil.which("docker-registry", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip("there is no docker-registry: `apt-get install docker-registry`")
    return found


@dataclass
class NativeNode:
    name: str
    folder: Path
    config: Path
    port: int
    line: Line
    cloud: bool = False
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def programs(self) -> tuple[str, ...]:
        return ("serve", "agent") if self.cloud else ("serve", "agent", "feed")

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def start(self, defect: str = "") -> None:
        for program in self.programs:
            self.running[program] = start(self.folder, self.config, program, defect)

    def kill_agent(self, defect: str = "") -> None:
        agent = self.running["agent"]
        agent.send_signal(signal.SIGKILL)
        agent.wait()
        self.running["agent"] = start(self.folder, self.config, "agent", defect)

    def end(self) -> None:
        for process in self.running.values():
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.running.clear()


def command(config: Path, *words: str, defect: str = "") -> list[str]:
    module = "tests.addons.models.defects" if defect else NORMAL
    return [sys.executable, "-m", module, *([defect] if defect else []), str(config), *words]


def environment() -> dict[str, str]:
    here = Path(__file__).parents[3]
    path = (str(SOURCE.parent), str(here), os.environ.get("PYTHONPATH", ""))
    return {
        **os.environ,
        "PYTHONPATH": ":".join(path),
        "SILENT_SECONDS": SILENT_SECONDS,
        "PYTHONDONTWRITEBYTECODE": "",
    }


def start(folder: Path, config: Path, program: str, defect: str = "") -> subprocess.Popen[bytes]:
    with (folder / f"{program}.log").open("ab") as log:
        return subprocess.Popen(
            command(config, program, defect=defect),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(),
        )


@dataclass
class Site:
    folder: Path
    plane: NativeControlPlane
    plant: Plant
    nodes: Mapping[str, NativeNode]
    """In the order of rollouts; the cloud's is the last."""
    stages: Stages
    operator_config: Path
    digests: Mapping[str, str]
    operator: subprocess.Popen[bytes] | None = None

    def start_operator(self, defect: str = "") -> None:
        self.stop_operator()
        self.operator = start(self.folder, self.operator_config, "operator", defect)

    def stop_operator(self) -> None:
        if self.operator is not None:
            self.operator.kill()
            self.operator.wait()

    def find(self, kind: str, name: str) -> dict[str, Any]:
        words = (kind, name, "-n", NAMESPACE)
        return self.plane.kubectl.get_json(*words, deadline=Deadline.after(60))

    def until(self, what: str, probe: Callable[[], Any], seconds: float = LIMIT) -> Any:
        limit = Deadline.scaled(seconds)
        return limit.wait_for(
            what, probe, every=0.2, transient=(*NOT_YET, OSError, LabError), watch=self.watch
        )

    def watch(self) -> None:
        """For waits: raises if a program has ended."""
        if self.operator is not None and self.operator.poll() is not None:
            raise RuntimeError("the operator has ended: " + self._log("operator"))
        for node in self.nodes.values():
            for name, process in node.running.items():
                if process.poll() is not None:
                    text = (node.folder / f"{name}.log").read_text()[-2000:]
                    raise RuntimeError(f"{name} of {node.name} has ended: {text}")

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()[-2000:]

    def complete(self) -> bool:
        found = self.find("edgemodels", MODEL)
        status = found.get("status", {})
        return bool(
            status.get("observedGeneration") == found["metadata"]["generation"]
            and status.get("phase") == "Complete"
        )


def _write_keys(folder: Path, authority: Authority, spec: CertificateSpec) -> dict[str, str]:
    folder.mkdir(parents=True)
    identity = authority.issue(spec)
    found = {
        "authority": (folder / "ca.crt", authority.certificate_pem),
        "certificate": (folder / "tls.crt", identity.certificate_pem),
        "key": (folder / "tls.key", identity.key_pem),
    }
    for path, content in found.values():
        path.write_bytes(content)
    return {name: str(path) for name, (path, _) in found.items()}


@contextlib.contextmanager
def running_registry(folder: Path, storage: Path) -> Iterator[int]:
    """Its port; plain HTTP."""
    (port,) = choose_ports(1)
    config = folder / "registry.yml"
    config.write_text(origin_config(f"127.0.0.1:{port}", storage=str(storage)))
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen(
            [registry_program(), "serve", str(config)], stdout=log, stderr=log
        )
    try:
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running_site(
    folder: Path, plane: NativeControlPlane, topology: Topology, stages: Stages
) -> Iterator[Site]:
    """All nodes serve the first version. The last of `stages` is the cloud's node."""
    names = tuple(name for nodes in stages.values() for name in nodes)
    folder.mkdir(parents=True)
    content = model_content(1000)
    cluster = plane.pki.authority(CLUSTER)
    models = Authority.create(MODELS_DOMAIN.common_name)
    cloud_port, health = choose_ports(2)
    with contextlib.ExitStack() as undo:
        plant, device_port = undo.enter_context(running_boiler())
        registry = undo.enter_context(running_registry(folder, content.folder / STORAGE))
        device = judged_device(topology, topology.edges[0])
        assert device is not None
        feed = {
            **feed_config(topology, device),
            "host": "127.0.0.1",
            "port": device_port,
            "every": STEP_SECONDS / 3,
        }
        nodes: dict[str, NativeNode] = {}
        for name in names:
            is_cloud = name == names[-1]
            own = folder / name
            undo.enter_context(perhaps_small_disk(own / "state"))
            line = Line()
            undo.callback(line.close)
            (port,) = choose_ports(1)
            config: dict[str, Any] = {
                "node": name,
                "folder": str(own / "state"),
                "namespace": NAMESPACE,
                "api": {
                    "url": f"https://127.0.0.1:{line.port_to('127.0.0.1', plane.server.port)}",
                    **_write_keys(own / "api", cluster, CertificateSpec(agent_user(name))),
                },
                "sources": [{"url": f"http://127.0.0.1:{line.port_to('127.0.0.1', registry)}"}],
                "host": "127.0.0.1",
                "port": port,
                "beat": 1.0,
            }
            if is_cloud:
                keys = _write_keys(own / "tls", models, server_spec("127.0.0.1"))
                config["tls"] = {"host": "127.0.0.1", "port": cloud_port, **keys}
            else:
                keys = _write_keys(own / "tls", models, client_spec(name))
                url = f"https://127.0.0.1:{line.port_to('127.0.0.1', cloud_port)}"
                config["cloud"] = {"url": url, **keys}
                config["feed"] = feed
            file = own / "config.json"
            file.write_text(json.dumps(config))
            nodes[name] = NativeNode(name, own, file, port, line, is_cloud)
            undo.callback(nodes[name].end)
        operator = {
            **json.loads(nodes[names[-1]].config.read_text()),
            "health": health,
            "api": {
                "url": plane.url,
                **_write_keys(folder / "operator", cluster, CertificateSpec(OPERATOR_USER)),
            },
        }
        (folder / "operator.json").write_text(json.dumps(operator))
        file = folder / "operator.json"
        site = Site(folder, plane, plant, nodes, stages, file, content.digests)
        limit = Deadline.scaled(LIMIT)
        plane.kubectl.apply_patiently("kinds", definitions(), limit)
        plane.kubectl.apply_patiently("rights", rights(names), limit)
        plane.kubectl.apply_patiently(
            "objects",
            (
                *map(node_manifest, names),
                edge_model_manifest(stages, content.reference(BASELINE)),
            ),
            limit,
        )
        for node in nodes.values():
            node.start()
        site.start_operator()
        undo.callback(site.stop_operator)
        site.until("the first version serves on all nodes", site.complete)
        yield site
