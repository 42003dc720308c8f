"""kubectl as the lab's way to the API server: one binary, one kubeconfig, typed answers."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError

FIELD_MANAGER = "edge-lab"
"""The owner of fields that the lab applies (server-side apply)."""

REQUEST_SECONDS = 60.0
"""The most that one command takes, unless its deadline is sooner or it is told otherwise."""

Manifest = Mapping[str, Any]

HOPELESS = frozenset(
    {
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Reasons for waiting that time does not cure: the lab's images are there or never will be."""

CRASHES = 4
"""So many restarts of one container, and waiting for its pod ends."""


class KubectlError(LabError):
    """kubectl said no; `stderr` is what it said."""

    def __init__(self, message: str, *, stderr: str, remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.stderr = stderr

    @property
    def not_found(self) -> bool:
        return "(NotFound)" in self.stderr

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

    def with_kubeconfig(self, kubeconfig: Path) -> Kubectl:
        """The same binary as another user."""
        return Kubectl(self.binary, kubeconfig)

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

    # -- waiting -------------------------------------------------------------------------

    def wait_nodes_ready(self, names: Iterable[str], deadline: Deadline) -> float:
        """Waits until all named nodes are Ready; returns the seconds that it took."""
        wanted = set(names)
        began = time.monotonic()
        missing = wanted

        def all_ready() -> bool:
            nonlocal missing
            nodes = self.items("nodes", deadline=deadline)
            missing = wanted - {node["metadata"]["name"] for node in nodes if node_ready(node)}
            return not missing

        try:
            deadline.wait_for("nodes are Ready", all_ready, every=1.0, transient=NOT_YET)
        except DeadlineExceeded as trouble:
            trouble.message += f"; not Ready: {', '.join(sorted(missing))}"
            raise
        return time.monotonic() - began

    def wait_pod_ready(
        self, pod: str, deadline: Deadline, *, namespace: str = "default", crashes: int = CRASHES
    ) -> dict[str, Any]:
        """Waits until the pod is Ready, and returns it.

        Ends early, with the pod's events, when it is in a state that cannot get better: an
        image that is not there, a container that has crashed `crashes` times since the call,
        a pod that has failed.

        Raises:
            PodTrouble: waiting longer is of no use.
            DeadlineExceeded: not ready in time.
        """
        seen: dict[str, Any] = {}
        before: dict[str, dict[str, int]] = {}  # by uid: restarts when it was first seen

        def ready() -> dict[str, Any] | None:
            nonlocal seen
            found = self.find("pod", pod, "-n", namespace, deadline=deadline)
            if found is None:
                return None
            seen = found
            before.setdefault(seen["metadata"]["uid"], restart_counts(seen))
            return seen if pod_ready(seen) else None

        def hopeless() -> None:
            earlier = before[seen["metadata"]["uid"]] if seen else {}
            trouble = pod_trouble(seen, crashes, earlier) if seen else None
            if trouble:
                raise PodTrouble(
                    f"pod {namespace}/{pod} will not get ready: {trouble}"
                    + self._events_for_message(pod, namespace, deadline)
                )

        return deadline.wait_for(
            f"pod {namespace}/{pod} Ready",
            ready,
            every=1.0,
            transient=NOT_YET,
            watch=hopeless,
        )

    def wait_pods_ready(
        self, pods: Iterable[str], deadline: Deadline, *, namespace: str = "default"
    ) -> None:
        """`wait_pod_ready` for each; they share the deadline."""
        for pod in pods:
            self.wait_pod_ready(pod, deadline, namespace=namespace)

    def wait_gone(
        self, kind: str, name: str, deadline: Deadline, *, namespace: str = "default"
    ) -> None:
        """Waits until there is no such object any more."""
        deadline.wait_for(
            f"{kind} {namespace}/{name} is gone",
            lambda: self.find(kind, name, "-n", namespace, deadline=deadline) is None,
            every=1.0,
            transient=NOT_YET,
        )

    def _events_for_message(self, pod: str, namespace: str, deadline: Deadline) -> str:
        try:
            events = self.events(pod, deadline, namespace=namespace)
        except LabError:
            return ""
        return "".join(f"\n  {line}" for line in events[-5:])

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


class PodTrouble(LabError):
    """A pod is in a state that waiting does not cure."""


@dataclass(frozen=True)
class CertificateRequest:
    """One certificates.k8s.io/v1 CertificateSigningRequest."""

    name: str
    username: str
    """Who the API server took the sender for."""
    groups: tuple[str, ...]
    signer: str
    usages: tuple[str, ...]
    request_pem: bytes

    @classmethod
    def from_object(cls, item: Mapping[str, Any]) -> CertificateRequest:
        spec = item["spec"]
        return cls(
            name=item["metadata"]["name"],
            username=spec.get("username", ""),
            groups=tuple(spec.get("groups", ())),
            signer=spec["signerName"],
            usages=tuple(spec.get("usages", ())),
            request_pem=base64.b64decode(spec["request"]),
        )


def to_yaml(manifest: Manifest | Iterable[Manifest]) -> str:
    """One YAML document per object."""
    documents = [manifest] if isinstance(manifest, Mapping) else list(manifest)
    return str(yaml.safe_dump_all([dict(each) for each in documents], sort_keys=False))


def condition(item: Mapping[str, Any], kind: str) -> str:
    """The status of one condition of an object: True, False, Unknown, or empty.

    A CustomResourceDefinition that was made just now has `conditions: null` in it, not a list.
    """
    for each in item.get("status", {}).get("conditions") or ():
        if each["type"] == kind:
            return str(each["status"])
    return ""


def node_ready(node: Mapping[str, Any]) -> bool:
    return condition(node, "Ready") == "True"


def pod_ready(pod: Mapping[str, Any]) -> bool:
    return condition(pod, "Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def restart_counts(pod: Mapping[str, Any]) -> dict[str, int]:
    """How often each container of the pod has been started again."""
    return {each["name"]: int(each.get("restartCount", 0)) for each in _containers(pod)}


def pod_trouble(
    pod: Mapping[str, Any], crashes: int = CRASHES, before: Mapping[str, int] | None = None
) -> str | None:
    """Why the pod will never be ready, in words; None while there is hope.

    Restarts count from `before`: a node that was rebooted has restarted its containers too.
    """
    status = pod.get("status", {})
    phase = status.get("phase")
    if phase in ("Failed", "Succeeded"):
        details = (f"its phase is {phase}", status.get("reason"), status.get("message"))
        return ": ".join(each for each in details if each)
    for container in _containers(pod):
        name = container["name"]
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in HOPELESS:
            said = f": {waiting['message']}" if waiting.get("message") else ""
            return f"container {name} waits with {waiting['reason']}{said}"
        restarts = container.get("restartCount", 0) - (before or {}).get(name, 0)
        if restarts >= crashes and not container.get("ready"):
            last = container.get("lastState", {}).get("terminated") or {}
            code = f" (last exit code {last['exitCode']})" if "exitCode" in last else ""
            return f"container {name} has crashed {restarts} times{code}"
    return None


def _containers(pod: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    status = pod.get("status", {})
    return (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))


def _parsed(text: str, args: Sequence[str]) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except ValueError as trouble:
        raise LabError(f"kubectl get {' '.join(args)} did not answer with JSON") from trouble
    if not isinstance(parsed, dict):
        raise LabError(f"kubectl get {' '.join(args)} did not answer with an object")
    return parsed
