"""Access to the API server: the lab's client for objects, kubectl for everything else."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from edge_lab.cluster.certificates import CertificateRequest
from edge_lab.cluster.errors import NOT_YET, KubectlError, RequestRefused, StatusError
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.resources import parse_query
from edge_lab.cluster.watch import Watch
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError

if TYPE_CHECKING:
    from edge_lab.cluster.client import ApiClient

__all__ = ["NOT_YET", "ExecResult", "Kubectl", "KubectlError", "RequestRefused", "StatusError"]

REQUEST_SECONDS = 60.0
"""Time limit of a command in seconds, unless its deadline is earlier or `waits` is set."""


@dataclass(frozen=True)
class ExecResult:
    """The result of a command in a container."""

    returncode: int
    stdout: str
    stderr: str


class Kubectl:
    """One cluster, by its kubeconfig.

    Objects are read, applied and watched in this process, with persistent connections. Commands
    with kubectl's arguments, and those inside containers, run `binary`, which leaves no file
    outside the kubeconfig's folder. That takes a process and a TLS handshake each time, so do not
    use it for polling.
    """

    def __init__(self, binary: Path, kubeconfig: Path) -> None:
        self.binary = binary
        self.kubeconfig = kubeconfig
        self._lock = threading.Lock()
        self._opened: tuple[tuple[int, ...], ApiClient] | None = None

    @property
    def _api(self) -> ApiClient:
        """The client; a new one when the kubeconfig has changed."""
        # Imported late: that takes a while, and not all commands need it.
        from edge_lab.cluster.client import ApiClient

        try:
            now = self.kubeconfig.stat()
        except OSError as trouble:
            raise KubectlError(f"{self.kubeconfig}: {trouble.strerror}") from trouble
        which = (now.st_ino, now.st_mtime_ns, now.st_size)
        with self._lock:
            if self._opened is None or self._opened[0] != which:
                client = ApiClient(self.kubeconfig)
                if self._opened is not None:
                    self._opened[1].close()
                self._opened = which, client
            return self._opened[1]

    # -- Commands ------------------------------------------------------------------------

    def run(
        self, *args: str, deadline: Deadline, input: str | None = None, waits: bool = False
    ) -> str:
        """The standard output of `kubectl args…`.

        With `waits`, the command waits for an event, and may use the whole deadline.

        Raises:
            KubectlError: it failed, or did not answer within `REQUEST_SECONDS`.
            DeadlineExceeded: there was no time left at the beginning.
        """
        done = self._call(args, deadline, input, waits)
        if done.returncode != 0:
            raise KubectlError(
                f"kubectl {' '.join(args)}: {done.stderr.strip() or f'exit {done.returncode}'}",
                stderr=done.stderr,
            )
        return done.stdout

    def _call(
        self,
        args: Sequence[str],
        deadline: Deadline,
        stdin: str | None = None,
        waits: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        what = f"kubectl {' '.join(args)}"
        deadline.check(what)
        limit = deadline if waits else deadline.within(REQUEST_SECONDS)
        try:
            return subprocess.run(
                self._argv(args),
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                text=True,
                errors="replace",
                env=self._environment(),
                timeout=max(limit.remaining, 0.1),
                check=False,
            )
        except subprocess.TimeoutExpired as trouble:
            raise KubectlError(
                f"{what}: no answer within {limit.total:.0f} s", stderr=""
            ) from trouble
        except OSError as trouble:
            raise LabError(
                f"cannot run {self.binary}: {trouble.strerror}",
                remedy="Run `lab doctor` to see what is missing.",
            ) from trouble

    def _argv(self, args: Sequence[str]) -> list[str]:
        # Flags go first, since everything after `--` belongs to a command in a container.
        return [
            str(self.binary),
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self.kubeconfig.parent / 'kubectl-cache'}",
            *args,
        ]

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KUBE", "KUBECTL_"))}
        # The user's kuberc must not change the lab's commands.
        return {**kept, "KUBERC": "off", "NO_PROXY": "127.0.0.1,localhost"}

    # -- Objects -------------------------------------------------------------------------

    def get_json(self, *args: str, deadline: Deadline) -> dict[str, Any]:
        """The answer to `kubectl get args…`: an object, or several as `items`."""
        return self._api.get(parse_query(args), deadline)

    def find(self, *args: str, deadline: Deadline) -> dict[str, Any] | None:
        """Like `get_json` for one object; None if it does not exist."""
        return self._api.find(parse_query(args), deadline)

    def items(self, *args: str, deadline: Deadline) -> list[dict[str, Any]]:
        """The items of `get_json`."""
        return self._api.items(parse_query(args), deadline)

    def watch(self, *args: str) -> Watch:
        """A watch on the objects that `kubectl get args…` would show; starts when iterated over."""
        query = parse_query(args)
        return Watch(lambda: self._api.feed(query))

    def apply(self, manifest: Manifest | Iterable[Manifest] | str, deadline: Deadline) -> None:
        """Applies one object, several, or YAML text, server-side.

        Like kubectl, continues with the next object if the API server refuses one.
        """
        if isinstance(manifest, str):
            manifests: list[Manifest] = [
                document for document in yaml.safe_load_all(manifest) if document
            ]
        else:
            manifests = [manifest] if isinstance(manifest, Mapping) else list(manifest)
        troubles: list[StatusError] = []
        for wanted in manifests:
            try:
                self._api.apply(wanted, deadline)
            except StatusError as trouble:
                troubles.append(trouble)
        if troubles:
            raise troubles[0]

    def apply_patiently(
        self,
        what: str,
        manifests: Sequence[Manifest],
        deadline: Deadline,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        """Like `apply`; retries requests that an API server under load refuses or does not answer.

        `what` describes it in errors; an error of `watch` ends it.
        """

        def applied() -> bool:
            self.apply(manifests, deadline)
            return True

        deadline.wait_for(what, applied, transient=NOT_YET, watch=watch)

    def patch(self, *args: str, patch: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
        """A merge patch of the object that `args` name: null removes a field. Returns the object as
        the API server has stored it."""
        return self._api.patch(parse_query(args), patch, deadline)

    def label(self, *args: str, labels: Mapping[str, str], deadline: Deadline) -> None:
        """Sets `labels` on the object that `args` name; replaces existing values."""
        self.patch(*args, patch={"metadata": {"labels": dict(labels)}}, deadline=deadline)

    def delete(
        self,
        *args: str,
        deadline: Deadline,
        now: bool = False,
        force: bool = False,
        wait: bool = True,
    ) -> None:
        """Deletes what `args` name (kind, name, -n …), if it exists.

        `now` sets the grace period to a second. `force` removes the object immediately, without
        waiting for its node. `wait` waits until it is gone.
        """
        self.run(
            "delete",
            *args,
            "--ignore-not-found",
            f"--wait={str(wait).lower()}",
            *(("--now",) if now else ()),
            *(("--force", "--grace-period=0") if force else ()),
            deadline=deadline,
            waits=wait,
        )

    def request_deletion(self, *args: str, deadline: Deadline, grace_s: int | None = None) -> None:
        """Requests the deletion of the object that `args` name, if it exists, and does not wait
        until it is gone. `grace_s` replaces a pod's own grace period, in seconds."""
        self._api.delete(parse_query(args), deadline, grace_s=grace_s)

    def raw(self, path: str, deadline: Deadline) -> str:
        """The answer to a GET of `path`, such as /readyz."""
        return self._api.raw(path, deadline)

    # -- Pods ----------------------------------------------------------------------------

    def logs(
        self,
        pod: str,
        deadline: Deadline,
        *,
        namespace: str = "default",
        container: str = "",
        previous: bool = False,
        since_time: str = "",
    ) -> str:
        """The log of the container. `since_time` is in RFC 3339."""
        options = [f"--container={container}"] if container else []
        options += ["--previous"] if previous else []
        options += [f"--since-time={since_time}"] if since_time else []
        return self.run("logs", "-n", namespace, pod, *options, deadline=deadline)

    def exec(
        self,
        pod: str,
        command: Sequence[str],
        deadline: Deadline,
        *,
        namespace: str = "default",
        container: str = "",
        check: bool = True,
    ) -> ExecResult:
        """Runs `command` in a container of the pod.

        Raises:
            KubectlError: it could not be run, or with `check` its exit code was not zero.
        """
        options = [f"--container={container}"] if container else []
        done = self._call(("exec", "-n", namespace, pod, *options, "--", *command), deadline)
        # kubectl exits with the command's exit code; only this line distinguishes it from its own.
        ran = done.returncode == 0 or "command terminated with exit code" in done.stderr
        if not ran or (check and done.returncode != 0):
            raise KubectlError(
                f"in pod {namespace}/{pod}: {' '.join(command)}: "
                f"{done.stderr.strip() or f'exit {done.returncode}'}",
                stderr=done.stderr,
            )
        return ExecResult(done.returncode, done.stdout, done.stderr)

    def events(self, pod: str, deadline: Deadline, *, namespace: str = "default") -> list[str]:
        """The pod's events as `reason: message`, oldest first."""
        found = self.items(
            "events",
            "-n",
            namespace,
            f"--field-selector=involvedObject.kind=Pod,involvedObject.name={pod}",
            deadline=deadline,
        )
        found.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime")))
        return [f"{event.get('reason', '')}: {event.get('message', '')}" for event in found]

    # -- Certificates --------------------------------------------------------------------

    def pending_requests(self, deadline: Deadline) -> Iterator[CertificateRequest]:
        """The pending certificate signing requests."""
        for request in self.items("certificatesigningrequests", deadline=deadline):
            if not request.get("status", {}).get("conditions"):
                yield CertificateRequest.from_object(request)

    def approve_csr(self, name: str, deadline: Deadline) -> None:
        """Approves the request; the caller must have checked its content."""
        self._api.decide(name, "Approved", deadline)

    def deny_csr(self, name: str, deadline: Deadline) -> None:
        self._api.decide(name, "Denied", deadline)
