"""A stand-in for a kubelet: runs the containers of its node's pods as processes of this host.

No images, no namespaces, no cgroups: the arguments of a pod's one container are run in a folder
that stands for its image, with paths of its volumes in their place.  What the API server, the Job
controller and the scheduler see is what a kubelet tells them: a node with a lease, and pods that
run, and end with an exit code.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from tests.matrix.execserver import exec_server

NODE = "stand-in"
LOOK_SECONDS = 0.3
LAB = "from edge_lab.cli import main; import sys; sys.exit(main())"
CAPACITY = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "200Gi", "pods": "50"}
KVM = "devices.kubevirt.io/kvm"
JOB_NAME = "batch.kubernetes.io/job-name"
LOST: dict[str, Any] = {}
DISRUPTED = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}
"""As the control plane marks pods of a node that was removed."""
MERGE = "application/merge-patch+json"


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class StandIn:
    """One node."""

    core: client.CoreV1Api
    leases: client.CoordinationV1Api
    image: Path
    """The working folder of each container."""
    volumes: Path
    """A folder for volumes that are not host paths."""
    port: int = 0
    """Of its server for commands in containers."""
    loses: set[str] = field(default_factory=set)
    """Names of Jobs of which it loses one pod, when it has ended: as a node that is removed."""
    mounts: dict[str, dict[str, Path]] = field(default_factory=dict)
    """The folders of the volumes of each pod, by its name."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: Counter[str] = field(default_factory=Counter)
    """Pods by Job."""
    problems: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    # -- The node --------------------------------------------------------------------------

    def register(self) -> None:
        self.core.create_node({"metadata": {"name": NODE}})
        status = {
            "capacity": {**CAPACITY, KVM: "1"},
            "allocatable": {**CAPACITY, KVM: "1"},
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "KubeletReady",
                    "message": "a stand-in",
                    "lastHeartbeatTime": now(),
                    "lastTransitionTime": now(),
                }
            ],
        }
        self.core.patch_node_status(NODE, {"status": status}, _content_type=MERGE)
        with contextlib.suppress(ApiException):
            self.core.create_namespace({"metadata": {"name": "kube-node-lease"}})
        self.leases.create_namespaced_lease("kube-node-lease", self._lease())

    def _lease(self) -> dict[str, Any]:
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": NODE, "leaseDurationSeconds": 40, "renewTime": moment}
        return {"metadata": {"name": NODE}, "spec": spec}

    def work(self) -> None:
        """Until `end`."""
        while not self._over.wait(LOOK_SECONDS):
            try:
                self.leases.patch_namespaced_lease(
                    NODE, "kube-node-lease", self._lease(), _content_type=MERGE
                )
                for pod in self._pods():
                    try:
                        self._look_at(pod)
                    except ApiException as refused:
                        if refused.status != HTTPStatus.NOT_FOUND:  # deleted meanwhile
                            raise
            except Exception as trouble:  # noqa: BLE001 - a busy API server; told by the test
                self.problems.append(repr(trouble))

    def end(self) -> None:
        self._over.set()
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait(60)

    def _pods(self) -> list[dict[str, Any]]:
        found = self.core.list_pod_for_all_namespaces(
            field_selector=f"spec.nodeName={NODE}", _preload_content=False
        )
        return list(json.loads(found.data)["items"])

    def argv(self, pod: str, command: list[str]) -> list[str]:
        """A command of a pod as one of this host."""
        return [in_place(word, self.mounts[pod]) for word in command]

    # -- Its pods --------------------------------------------------------------------------

    def _look_at(self, pod: Mapping[str, Any]) -> None:
        uid, phase = pod["metadata"]["uid"], pod["status"].get("phase")
        process = self.processes.get(uid)
        if pod["metadata"].get("deletionTimestamp"):
            if process is not None and process.poll() is None:
                process.kill()
                return
            self._remove(pod)
        elif process is None and phase == "Pending":
            self.processes[uid] = self._start(pod)
            self.started[pod["metadata"]["labels"].get(JOB_NAME, "")] += 1
            self._report(pod, "Running", {"running": {"startedAt": now()}})
        elif process is not None and phase == "Running" and process.poll() is not None:
            job = pod["metadata"]["labels"].get(JOB_NAME)
            if job in self.loses:
                self.loses.remove(job)
                self._report(pod, "Failed", LOST)
                return
            code = process.returncode if process.returncode >= 0 else 128 - process.returncode
            ended = {"exitCode": code, "startedAt": now(), "finishedAt": now()}
            self._report(pod, "Failed" if code else "Succeeded", {"terminated": ended})

    def _remove(self, pod: Mapping[str, Any]) -> None:
        self.core.delete_namespaced_pod(
            pod["metadata"]["name"],
            pod["metadata"]["namespace"],
            grace_period_seconds=0,
            _preload_content=False,
        )

    def _report(self, pod: Mapping[str, Any], phase: str, state: dict[str, Any]) -> None:
        (container,) = pod["spec"]["containers"]
        ready = "True" if phase == "Running" else "False"
        status = {
            "phase": phase,
            "startTime": now(),
            "conditions": [
                {"type": "Ready", "status": ready, "lastTransitionTime": now()},
                *([DISRUPTED] if state is LOST else []),
            ],
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": phase == "Running",
                    "restartCount": 0,
                    "state": {} if state is LOST else state,
                }
            ],
        }
        self.core.patch_namespaced_pod_status(
            pod["metadata"]["name"],
            pod["metadata"]["namespace"],
            {"status": status},
            _content_type=MERGE,
            _preload_content=False,
        )

    def _start(self, pod: Mapping[str, Any]) -> subprocess.Popen[bytes]:
        (container,) = pod["spec"]["containers"]
        places = self.mounts[pod["metadata"]["name"]] = self.places(pod)
        env: dict[str, str] = {}
        for each in container.get("env", ()):
            env[each["name"]] = in_place(_value(each, pod["metadata"]), places)
        words = [in_place(expanded(word, env), places) for word in container["args"]]
        program = [sys.executable, "-c", LAB] if words[0] == "lab" else [words[0]]
        log = self.volumes / f"{pod['metadata']['name']}.log"
        with log.open("wb") as output:
            return subprocess.Popen(
                [*program, *words[1:]],
                cwd=self.image,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def places(self, pod: Mapping[str, Any]) -> dict[str, Path]:
        """The folders of its volumes on this host, by their paths in the container."""
        (container,) = pod["spec"]["containers"]
        volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
        return {
            mount["mountPath"]: self._folder(volumes[mount["name"]], pod["metadata"])
            for mount in container["volumeMounts"]
        }

    def _folder(self, volume: Mapping[str, Any], metadata: Mapping[str, Any]) -> Path:
        if "hostPath" in volume:
            return Path(str(volume["hostPath"]["path"]))
        folder = self.volumes / str(metadata["uid"]) / str(volume["name"])
        folder.mkdir(parents=True, exist_ok=True)
        if "configMap" in volume:
            data = self.core.read_namespaced_config_map(
                volume["configMap"]["name"], metadata["namespace"], _preload_content=False
            )
            for name, text in json.loads(data.data)["data"].items():
                (folder / name).write_text(text)
        return folder


def _value(variable: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """With the downward API's fields that are labels and annotations."""
    if "value" in variable:
        return str(variable["value"])
    path = variable["valueFrom"]["fieldRef"]["fieldPath"]
    if path == "metadata.uid":
        return str(metadata["uid"])
    found = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
    assert found, path
    return str(metadata[found[1]][found[2]])


def expanded(word: str, env: Mapping[str, str]) -> str:
    """$(NAME), as a kubelet does it."""
    return re.sub(r"\$\((\w+)\)", lambda found: env.get(found[1], found[0]), word)


def in_place(text: str, places: Mapping[str, Path]) -> str:
    """A path below a volume as the path on this host."""
    for path, folder in places.items():
        text = re.sub(rf"(^|=){re.escape(path)}(?=/|$)", rf"\g<1>{folder}", text)
    return text


@contextlib.contextmanager
def stand_in(
    kubeconfig: Path, image: Path, volumes: Path, certificate: Path, key: Path
) -> Iterator[StandIn]:
    """A node that is Ready, until the block is left."""
    api = config.new_client_from_config(str(kubeconfig))
    node = StandIn(client.CoreV1Api(api), client.CoordinationV1Api(api), image, volumes)
    with exec_server(certificate, key, node.argv) as port:
        node.port = port
        node.register()
        thread = threading.Thread(target=node.work)
        thread.start()
        try:
            yield node
        finally:
            node.end()
            thread.join()
