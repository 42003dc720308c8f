"""The few requests to a cluster, by the official client of Kubernetes (extra `matrix`)."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.matrix.archive import extract
from edge_lab.matrix.objects import LABEL, Manifest

REQUEST_SECONDS = 60.0
CHUNK_EVERY = 1.0
_STDOUT, _STDERR, _STATUS = 1, 2, 3
"""Channels of a command in a pod."""
_GONE = 404
_REFUSED = (400, 401, 403, 404, 409, 422)
"""Answers that stay the same when a request is repeated."""


class RefusedByCluster(LabError):
    """The API server has refused a request."""


class ClusterClient:
    """One namespace of a cluster, by a context of the user's kubeconfig.

    Raises:
        InputError: the extra is not installed, or there is no such context.
    """

    def __init__(self, namespace: str, *, context: str | None = None) -> None:
        if importlib.util.find_spec("kubernetes") is None:
            raise InputError(
                "to run on a cluster needs the package kubernetes",
                remedy="Install it: pip install 'edge-lab[matrix]'. "
                "`lab matrix plan --manifest` needs none.",
            )
        from kubernetes import client, config

        self.namespace = namespace
        try:
            api = config.new_client_from_config(os.environ.get("KUBECONFIG"), context=context)
        except config.ConfigException as trouble:
            raise InputError(
                f"no access to a cluster: {trouble}",
                remedy="Set KUBECONFIG, and select one of its contexts with --context.",
            ) from trouble
        self._core = client.CoreV1Api(api)
        self._batch = client.BatchV1Api(api)

    def create(self, manifest: Manifest) -> Manifest:
        create = {
            "ConfigMap": self._core.create_namespaced_config_map,
            "Job": self._batch.create_namespaced_job,
            "Pod": self._core.create_namespaced_pod,
        }[manifest["kind"]]
        with _told(f"create {manifest['kind']} {manifest['metadata']['name']}"):
            return _data(
                create(
                    self.namespace,
                    manifest,
                    field_validation="Strict",
                    _preload_content=False,
                    _request_timeout=Deadline.scaled(REQUEST_SECONDS).remaining,
                )
            )

    def delete(self, kind: str, name: str) -> None:
        """With all that belongs to it; a missing object is no error."""
        delete = {
            "ConfigMap": self._core.delete_namespaced_config_map,
            "Job": self._batch.delete_namespaced_job,
            "Pod": self._core.delete_namespaced_pod,
        }[kind]
        with _told(f"delete {kind} {name}", gone=True):
            delete(
                name,
                self.namespace,
                propagation_policy="Background",
                _preload_content=False,
                _request_timeout=Deadline.scaled(REQUEST_SECONDS).remaining,
            )

    def job(self, name: str) -> Manifest:
        return self._read(self._batch.read_namespaced_job, name)

    def pod(self, name: str) -> Manifest:
        return self._read(self._core.read_namespaced_pod, name)

    def pods(self, job: str) -> list[Manifest]:
        """The pods of a Job, those that have ended too."""
        with _told(f"list the pods of Job {job}"):
            found = _data(
                self._core.list_namespaced_pod(
                    self.namespace,
                    label_selector=f"{LABEL},batch.kubernetes.io/job-name={job}",
                    _preload_content=False,
                    _request_timeout=Deadline.scaled(REQUEST_SECONDS).remaining,
                )
            )
        return list(found["items"])

    def _read(self, read: Any, name: str) -> Manifest:
        with _told(f"read {name}"):
            return _data(
                read(
                    name,
                    self.namespace,
                    _preload_content=False,
                    _request_timeout=Deadline.scaled(REQUEST_SECONDS).remaining,
                )
            )

    def copy_folder(self, pod: str, folder: str, target: Path, deadline: Deadline) -> None:
        """Copies a folder of a running pod, whose image must have tar."""
        from kubernetes.stream import stream

        with tempfile.TemporaryFile() as archive:
            with _told(f"run tar in pod {pod}"):
                channels = stream(
                    self._core.connect_get_namespaced_pod_exec,
                    pod,
                    self.namespace,
                    command=["tar", "-C", folder, "-cf", "-", "."],
                    stdout=True,
                    stderr=True,
                    stdin=False,
                    tty=False,
                    binary=True,
                    _preload_content=False,
                )
                try:
                    told = _read_channels(channels, archive, deadline)
                finally:
                    channels.close()
            if told:
                raise LabError(f"cannot copy {folder} from pod {pod}: {told}")
            archive.seek(0)
            extract(archive, target)


def _read_channels(channels: Any, archive: Any, deadline: Deadline) -> str:
    """Writes standard output to `archive`; what went wrong, or nothing."""
    errors = b""
    while True:
        is_open = channels.is_open()
        if is_open:
            channels.update(timeout=CHUNK_EVERY)
        archive.write(_bytes(channels.read_channel(_STDOUT)))
        errors += _bytes(channels.read_channel(_STDERR))
        if not is_open:
            break
        deadline.check("copy the results")
    said = _bytes(channels.read_channel(_STATUS))
    try:
        status = json.loads(said)
    except ValueError:
        return "the connection ended early"
    if status.get("status") == "Success":
        return ""
    return errors.decode(errors="replace").strip() or str(status.get("message"))


def _bytes(read: bytes | str) -> bytes:
    return read.encode() if isinstance(read, str) else read


def _data(response: Any) -> Manifest:
    read = json.loads(response.data)
    if not isinstance(read, dict):
        raise LabError("the API server's answer is not an object")
    return read


@contextlib.contextmanager
def _told(what: str, *, gone: bool = False) -> Iterator[None]:
    """Errors of the client as errors of the lab; with `gone`, 404 is none."""
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError
    from websocket import WebSocketException

    try:
        yield
    except ApiException as trouble:
        if gone and trouble.status == _GONE:
            return
        message = f"{what}: {_message(trouble)}"
        kind = RefusedByCluster if trouble.status in _REFUSED else LabError
        raise kind(message) from trouble
    except (HTTPError, OSError, WebSocketException) as trouble:
        raise LabError(f"{what}: {trouble}") from trouble


def _message(trouble: Any) -> str:
    try:
        return str(json.loads(trouble.body)["message"])
    except (ValueError, TypeError, KeyError):
        return f"{trouble.status} {trouble.reason}"
