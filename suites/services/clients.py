"""Pods that ask for Services, over the management path: an answer comes while a node is cut off."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.addons.workload import NAMESPACE
from edge_lab.core.errors import LabError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from suites.inpod import NO_POD, in_pod
from suites.services.objects import PORT, client_pod

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

ANSWER_SECONDS = 120.0
"""For one question to a pod, the shell on an emulated node included."""
PATIENCE_SECONDS = 5
"""How long a pod waits for a connection before it calls it silence."""


@dataclass(frozen=True)
class Attempt:
    """One connection that a pod tried to make."""

    target: str
    ok: bool
    error: str
    seconds: float

    @property
    def refused(self) -> bool:
        """It was told at once that nobody is there."""
        return "connection refused" in self.error

    @property
    def unknown(self) -> bool:
        """It was told that there is no such name (NXDOMAIN); silence or a failure is another."""
        return "no such host" in self.error

    def __str__(self) -> str:
        return f"{self.target}: {'ok' if self.ok else self.error} after {self.seconds:.1f} s"


@dataclass(frozen=True)
class Client:
    """The pod that asks on one node."""

    lab: Lab
    node: str
    limit: TimeLimit
    pod: str = ""
    """Another pod of the node to ask from; it must have /edge."""

    @property
    def name(self) -> str:
        """Of the pod."""
        return self.pod or client_pod(self.node)

    def attempt(self, target: str) -> Attempt | None:
        """A connection to `target` (a name or address, and perhaps a port); None without a pod."""
        where = target if ":" in target else f"{target}:{PORT}"
        command = ["/edge", "probe", "tcp", where, "--limit", str(PATIENCE_SECONDS)]
        script = in_pod(self.name, command)
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
        """Until a connection to `target` comes out so; an AssertionError says how it did last."""
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
        """Until `target` is reached."""
        self.until(f"{target} is reached", target, lambda seen: seen.ok, seconds)

    def until_refused(self, target: str, seconds: float) -> None:
        """Until `target` refuses connections."""
        self.until(f"{target} refuses", target, lambda seen: seen.refused, seconds)


def cluster_ip(lab: Lab, service: str, limit: TimeLimit) -> str:
    """The address of a Service of the suite's."""
    found = lab.kubectl.get_json("service", service, "-n", NAMESPACE, deadline=limit(60))
    return str(found["spec"]["clusterIP"])


def full_name(service: str) -> str:
    """The name of a Service by which no search path has to help; the dot ends it."""
    return f"{service}.{NAMESPACE}.svc.cluster.local."
