"""kubectl as the lab's way to the API server: one binary, one kubeconfig, typed answers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_lab.cluster.certificates import CertificateRequest
from edge_lab.cluster.objects import Manifest, to_yaml
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError

FIELD_MANAGER = "edge-lab"
"""The owner of fields that the lab applies (server-side apply)."""

REQUEST_SECONDS = 60.0
"""The most that one command takes, unless its deadline is sooner or it is told otherwise."""


class KubectlError(LabError):
    """kubectl said no; `stderr` is what it said."""

    def __init__(self, message: str, *, stderr: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.stderr = stderr

    @property
    def refused(self) -> bool:
        """The API server turned the caller away: not who it should be, or not allowed."""
        return "(Forbidden)" in self.stderr or "(Unauthorized)" in self.stderr


NOT_YET = (KubectlError, DeadlineExceeded)
"""What does not end a wait for the cluster: whoever waits says itself that time is up."""


@dataclass(frozen=True)
class ExecResult:
    """What a command in a container returned."""

    returncode: int
    stdout: str
    stderr: str


class Kubectl:
    """Runs `binary` with `kubeconfig`, and leaves no file outside the kubeconfig's folder."""

    def __init__(self, binary: Path, kubeconfig: Path) -> None:
        self.binary = binary
        self.kubeconfig = kubeconfig

    # -- one command ---------------------------------------------------------------------

    def run(
        self, *args: str, deadline: Deadline, input: str | None = None, waits: bool = False
    ) -> str:
        """The standard output of `kubectl args…`.

        With `waits`, the command waits for something to happen, and has all of the deadline.

        Raises:
            KubectlError: it failed, or gave no answer in `REQUEST_SECONDS`.
            DeadlineExceeded: there was no time left to begin with.
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
                remedy="`lab doctor` says what is missing.",
            ) from trouble

    def _argv(self, args: Sequence[str]) -> list[str]:
        # What follows `--` belongs to a command in a container, so the flags go first.
        return [
            str(self.binary),
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self.kubeconfig.parent / 'kubectl-cache'}",
            *args,
        ]

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KUBE", "KUBECTL_"))}
        # The user's own kuberc must not change what the lab's commands mean.
        return {**kept, "KUBERC": "off", "NO_PROXY": "127.0.0.1,localhost"}

    def watch(self, *args: str) -> subprocess.Popen[str]:
        """Starts `kubectl get args… --watch`: one JSON object {type, object} after another.

        The caller reads its standard output and ends it.
        """
        return subprocess.Popen(
            self._argv(("get", *args, "--watch", "--output-watch-events", "-o", "json")),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env=self._environment(),
        )

    # -- objects -------------------------------------------------------------------------

    def get_json(self, *args: str, deadline: Deadline) -> dict[str, Any]:
        """`kubectl get args… -o json`, parsed."""
        return _parsed(self.run("get", *args, "-o", "json", deadline=deadline), args)

    def find(self, *args: str, deadline: Deadline) -> dict[str, Any] | None:
        """As `get_json` of one object; None if there is none of that name."""
        text = self.run("get", *args, "--ignore-not-found", "-o", "json", deadline=deadline)
        return _parsed(text, args) if text.strip() else None

    def items(self, *args: str, deadline: Deadline) -> list[dict[str, Any]]:
        """The items of `get_json`."""
        return list(self.get_json(*args, deadline=deadline).get("items", []))

    def apply(self, manifest: Manifest | Iterable[Manifest] | str, deadline: Deadline) -> None:
        """Applies one object, several, or YAML text, server-side."""
        self.run(
            "apply",
            "--server-side",
            "--force-conflicts",
            f"--field-manager={FIELD_MANAGER}",
            "-f",
            "-",
            deadline=deadline,
            input=manifest if isinstance(manifest, str) else to_yaml(manifest),
        )

    def apply_patiently(
        self,
        what: str,
        manifests: Sequence[Manifest],
        deadline: Deadline,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        """Like `apply`; what an API server under load refuses or does not answer is tried again.

        `what` is said if it comes to nothing; what `watch` raises meanwhile ends it.
        """

        def applied() -> bool:
            self.apply(manifests, deadline)
            return True

        deadline.wait_for(what, applied, transient=NOT_YET, watch=watch)

    def delete(
        self,
        *args: str,
        deadline: Deadline,
        now: bool = False,
        force: bool = False,
        wait: bool = True,
    ) -> None:
        """Deletes what `args` name (kind, name, -n …); fine if it is gone already.

        `now` sets the grace period to a second. `force` removes the object at once, whether its
        node knows of it or not. `wait` waits until it is really gone.
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

    def raw(self, path: str, deadline: Deadline) -> str:
        """The answer to a GET of `path`, such as /readyz."""
        return self.run("get", "--raw", path, deadline=deadline)

    # -- pods ----------------------------------------------------------------------------

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
        """What the container wrote. `since_time` is RFC 3339."""
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
            KubectlError: it could not be run at all, or `check` and it returned not zero.
        """
        options = [f"--container={container}"] if container else []
        done = self._call(("exec", "-n", namespace, pod, *options, "--", *command), deadline)
        # kubectl passes the command's exit code on; only this line tells it from its own.
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

    # -- certificates --------------------------------------------------------------------

    def pending_requests(self, deadline: Deadline) -> Iterator[CertificateRequest]:
        """The certificate signing requests that nobody has approved or denied."""
        for item in self.items("certificatesigningrequests", deadline=deadline):
            if not item.get("status", {}).get("conditions"):
                yield CertificateRequest.from_object(item)

    def approve_csr(self, name: str, deadline: Deadline) -> None:
        """Approves the request; whoever calls has looked at what it asks for."""
        self.run("certificate", "approve", name, deadline=deadline)

    def deny_csr(self, name: str, deadline: Deadline) -> None:
        self.run("certificate", "deny", name, deadline=deadline)


def _parsed(text: str, args: Sequence[str]) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError as trouble:
        raise LabError(f"kubectl get {' '.join(args)} did not answer with JSON") from trouble
    if not isinstance(parsed, dict):
        raise LabError(f"kubectl get {' '.join(args)} did not answer with an object")
    return parsed
