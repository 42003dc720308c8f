"""Pods that request and present identities, over the management path, also while cut off."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.accounts import (
    COLLECTOR_ACCOUNT,
    COLLECTOR_ID,
    SAMPLER_ACCOUNT,
    SECURE_PORT,
    service_account,
    with_identity,
)
from edge_lab.core.errors import LabError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.provisioning.cri import cri_of
from suites.inpod import NO_POD, in_pod
from suites.pods import bound_pod, running_pods

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

LABEL = "spire-client"
STOLEN = "/var/lib/edge-lab/spire-stolen"
"""Path of a copied identity, on the node and in each pod."""
ANSWER_SECONDS = 120.0
PATIENCE_SECONDS = 20


@dataclass(frozen=True)
class Shown:
    """An SVID of a pod."""

    id: str
    serial: str
    not_after: float
    """Seconds since 1970."""


@dataclass(frozen=True)
class Attempt:
    """The result of a probe in a pod."""

    ok: bool
    error: str
    value: Any = None

    @property
    def refused_by_certificate(self) -> bool:
        """Alert 42: go-spiffe's for every refused certificate."""
        return not self.ok and "bad certificate" in self.error

    @property
    def certificate_missed(self) -> bool:
        """Alert 116."""
        return not self.ok and "certificate required" in self.error

    @property
    def without_identity(self) -> bool:
        """The agent answered, but this pod is not registered."""
        return not self.ok and "no identity issued" in self.error

    def shown(self) -> Shown:
        """Of `probe svid`; AssertionError if there was no identity."""
        assert self.ok, f"no identity: {self.error}"
        return Shown(self.value["id"], self.value["serial"], self.value["not_after"] / 1e9)

    def __str__(self) -> str:
        return "let in" if self.ok else self.error


def parse_attempt(text: str) -> Attempt:
    """Parses the output of `/edge probe`; LabError if it is invalid."""
    try:
        said = json.loads(text)
        return Attempt(said["ok"], said.get("error", ""), said.get("value"))
    except (ValueError, KeyError, TypeError) as trouble:
        raise LabError(f"a probe printed {text.strip()[:200] or 'nothing'!r}") from trouble


def client_pod(name: str, node: str, account: str) -> dict[str, Any]:
    """A waiting pod with a service account."""
    mount = {"name": "stolen", "mountPath": STOLEN}
    volume = {"name": "stolen", "hostPath": {"path": STOLEN, "type": "DirectoryOrCreate"}}
    container = {
        "imagePullPolicy": "Never",
        "command": ["/edge", "pause"],
        "resources": {"limits": {"memory": "64Mi"}},
        "volumeMounts": [mount],
    }
    pod = bound_pod(name, node, LABEL, container, volumes=[volume])
    return with_identity(pod, account)


@dataclass(frozen=True)
class Client:
    """One such pod."""

    lab: Lab
    node: str
    pod: str
    limit: TimeLimit

    def svid(self, *, save: bool = False) -> Attempt:
        """Its identity, from the agent of its node."""
        return self._probe("svid", *(("--save", STOLEN) if save else ()))

    def call(self, *options: str) -> Attempt:
        """Whether the collector admits it."""
        server = self.lab.topology.cluster_link(self.lab.topology.server.name).address
        return self._probe("mtls", f"{server}:{SECURE_PORT}", COLLECTOR_ID, *options)

    def call_with_stolen_identity(self) -> Attempt:
        """The same, with the copied identity instead of its own."""
        return self.call("--svid", STOLEN)

    def _probe(self, *words: str) -> Attempt:
        command = ["/edge", "probe", *words, "--limit", str(PATIENCE_SECONDS)]
        runtime = cri_of(self.lab.topology.node(self.node))
        script = in_pod(runtime, self.pod, command, in_its_group=True)
        done = self.lab.machines[self.node].run(script, self.limit(ANSWER_SECONDS), check=False)
        if done.returncode == NO_POD:
            raise LabError(f"the pod {self.pod} does not run on {self.node}: {done.stderr}")
        return parse_attempt(done.stdout)


def wrongly_judged(attempts: Mapping[str, Attempt], admitted: frozenset[str]) -> dict[str, str]:
    """By name, those that were admitted but should not be, or the reverse, with the result."""
    return {
        name: str(attempt) for name, attempt in attempts.items() if attempt.ok != (name in admitted)
    }


@contextlib.contextmanager
def running_clients(
    lab: Lab, places: Mapping[str, tuple[str, str]], limit: TimeLimit
) -> Iterator[dict[str, Client]]:
    """Pods by name for the duration of the block; `places` has the node and account of each."""
    of_workload = {SAMPLER_ACCOUNT, COLLECTOR_ACCOUNT}
    accounts = sorted({account for _, account in places.values()} - of_workload)
    pods = [client_pod(name, node, account) for name, (node, account) in places.items()]
    try:
        if accounts:
            lab.kubectl.apply([service_account(account) for account in accounts], limit(60))
        with running_pods(lab, pods, LABEL, limit):
            yield {name: Client(lab, node, name, limit) for name, (node, _) in places.items()}
    finally:
        for node in {node for node, _ in places.values()}:
            lab.machines[node].run(f"rm -rf {STOLEN}", limit(ANSWER_SECONDS), check=False)
        if accounts:
            lab.kubectl.delete("serviceaccount", *accounts, "-n", NAMESPACE, deadline=limit(60))
