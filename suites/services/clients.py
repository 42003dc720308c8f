"""Client pods of Services, run over the management path, which works while a node is cut off."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.addons.workload import NAMESPACE
from edge_lab.core.errors import LabError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from edge_lab.provisioning.cri import cri_of
from suites.inpod import NO_POD, in_pod
from suites.services.objects import PORT, client_pod

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

ANSWER_SECONDS = 120.0
"""Seconds for one probe in a pod, including the shell on an emulated node."""
PATIENCE_SECONDS = 5
"""Connection timeout in a pod, seconds."""


@dataclass(frozen=True)
class Attempt:
    """One connection attempt of a pod."""

    target: str
    ok: bool
    error: str
    seconds: float

    @property
    def refused(self) -> bool:
        """The connection was refused at once."""
        return "connection refused" in self.error

    @property
    def unknown(self) -> bool:
        """The name does not exist (NXDOMAIN), as opposed to a timeout or a failure."""
        return "no such host" in self.error

    def __str__(self) -> str:
        return f"{self.target}: {'ok' if self.ok else self.error} after {self.seconds:.1f} s"


@dataclass(frozen=True)
class Client:
    """The client pod of one node."""

    lab: Lab
    node: str
    limit: TimeLimit
    pod: str = ""
    """A client in another pod of the node, which must have /edge."""

    @property
    def name(self) -> str:
        """Of the pod."""
        return self.pod or client_pod(self.node)

    def attempt(self, target: str) -> Attempt | None:
        """A connection to `target` (a name or address, and perhaps a port); None without a pod."""
        where = target if ":" in target else f"{target}:{PORT}"
        command = ["/edge", "probe", "tcp", where, "--limit", str(PATIENCE_SECONDS)]
        runtime = cri_of(self.lab.topology.node(self.node))
        script = in_pod(runtime, self.name, command)
        machine = self.lab.machines[self.node]
        done = machine.run(script, self.limit(ANSWER_SECONDS), check=False)
        if done.returncode == NO_POD:
            return None
        try:
            said = json.loads(done.stdout)
        except ValueError as trouble:
            raise LabError(
                f"a probe in the pod {self.name} printed no JSON: "
                f"{done.stderr.strip() or done.stdout.strip() or 'it said nothing'}"
            ) from trouble
        return Attempt(target, said["ok"], said.get("error", ""), said.get("seconds", 0.0))

    def now(self, target: str) -> Attempt:
        """A connection at once; AssertionError if the pod does not run."""
        found = self.attempt(target)
        assert found is not None, f"{self.name} does not run"
        return found

    def until(
        self, what: str, target: str, fits: Callable[[Attempt], bool], seconds: float
    ) -> None:
        """Waits for this result of a connection to `target`; an AssertionError has the last one."""
        last = "it does not run"

        def seen() -> bool:
            nonlocal last
            found = self.attempt(target)
            last = str(found) if found else "it does not run"
            return found is not None and fits(found)

        try:
            eventually(what, seen, self.limit(seconds), every=1.0)
        except AssertionError as trouble:
            raise AssertionError(f"{what}, from a pod on {self.node}: {last}") from trouble

    def until_reached(self, target: str, seconds: float) -> None:
        """Waits until `target` is reachable."""
        self.until(f"{target} is reached", target, lambda seen: seen.ok, seconds)

    def until_refused(self, target: str, seconds: float) -> None:
        """Waits until `target` refuses connections."""
        self.until(f"{target} refuses", target, lambda seen: seen.refused, seconds)


def cluster_ip(lab: Lab, service: str, limit: TimeLimit) -> str:
    """The address of a Service of the suite's."""
    found = lab.kubectl.get_json("service", service, "-n", NAMESPACE, deadline=limit(60))
    return str(found["spec"]["clusterIP"])


def full_name(service: str) -> str:
    """The fully qualified name of a Service, with the final dot."""
    return f"{service}.{NAMESPACE}.svc.cluster.local."
