"""A fleet of hollow nodes: created, silenced, woken and removed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from edge_lab.cluster.objects import Manifest
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError, LabError
from edge_lab.core.step import step, warn
from edge_lab.fleet import hollow
from edge_lab.fleet.kwokconfig import kwok_command, kwok_config
from edge_lab.fleet.kwokprocess import KwokProcess
from edge_lab.fleet.place import FleetPlace
from edge_lab.observe.fleet.feeds import Readiness

MOST = 5_000
"""Maximum hollow nodes of one kwok; more than 1,000 are untested."""
AT_A_TIME = 8
"""Create requests in parallel."""
REMOVE_SECONDS = 300.0
"""Seconds to remove all of its objects of one kind, on the reference machine."""
RELEASE_SECONDS = 60.0
"""Seconds to remove their leases, on the reference machine."""
LEASES = "kube-node-lease"
REMOVE_ONE_SECONDS = 60.0
"""Seconds for a single object."""


@dataclass(frozen=True)
class Growth:
    """The result of adding nodes."""

    ready_after_s: float | None
    """From the creation of the last one until the whole fleet was Ready; None if it was not in
    time."""
    never_ready: tuple[str, ...] = ()


class Fleet:
    """Hollow nodes beside one cluster. Made by `fleet_beside`."""

    def __init__(self, place: FleetPlace, command: Sequence[str], readiness: Readiness) -> None:
        """`command` starts kwok."""
        self.place = place
        self.readiness = readiness
        self._names: tuple[str, ...] = ()
        self._kwok = KwokProcess(command, place.run, place.kubeconfig, self._release_leases)
        self.growth = Growth(None)
        """The result for the initial nodes."""
        self._pods = 0
        self._twins = 0
        self._twinned = 0
        """The number of nodes with twins, which are the first ones."""

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    @property
    def size(self) -> int:
        return len(self._names)

    @property
    def pods(self) -> int:
        return self._pods

    @property
    def twins(self) -> int:
        return self._twins

    @property
    def pid(self) -> int:
        """Of kwok."""
        return self._kwok.pid

    def check(self) -> None:
        """LabError if kwok has ended: then nothing simulates the nodes."""
        self._kwok.check()

    # -- size ----------------------------------------------------------------------------

    def grow(self, size: int, deadline: Deadline) -> Growth:
        """Grows the fleet to `size` nodes and waits until they are Ready; a timeout is reported.

        Raises:
            LabError: kwok has ended, or the API server refuses the objects.
        """
        if not self.size <= size <= MOST:
            raise InputError(f"a fleet of {self.size} nodes cannot grow to {size}")
        wanted = tuple(hollow.hollow_name(index) for index in range(1, size + 1))
        with step(f"fleet of {size} nodes"):
            new, self._names = wanted[self.size :], wanted
            return self._grown(new, deadline)

    def restore(self, deadline: Deadline) -> Growth:
        """Creates missing nodes again, and waits for all.

        When a lab is restored from its checkpoint, all nodes and their RBAC objects are gone, and
        kwok's caches are wrong, so it is restarted.
        """
        missing = self._missing(deadline)
        if missing:
            self.readiness.forget(missing)
            give_rights(self.place, deadline)
            self._kwok.begin_anew()
        return self._grown(missing, deadline)

    def _grown(self, new: Sequence[str], deadline: Deadline) -> Growth:
        """Creates them, and waits until all nodes of the fleet are Ready."""
        wanted = frozenset(self._names)
        try:
            self._create([hollow.node_manifest(name) for name in new], deadline)
            created = time.monotonic()
            deadline.wait_for(
                f"{len(wanted)} hollow nodes are Ready",
                lambda: wanted <= self.readiness.ready(),
                watch=self.check,
            )
        except DeadlineExceeded:  # a failure of the control plane, which is in the evidence
            return Growth(None, tuple(sorted(wanted - self.readiness.ready())))
        return Growth(time.monotonic() - created)

    def _missing(self, deadline: Deadline) -> list[str]:
        here = {
            node["metadata"]["name"]
            for node in self.place.kubectl.items("nodes", "-l", hollow.SELECTOR, deadline=deadline)
        }
        return [name for name in self._names if name not in here]

    def add_pods(self, deadline: Deadline) -> None:
        """Creates one pod on each node, which may be evicted."""
        self._create([hollow.pod_manifest(name) for name in self._names], deadline)
        self._pods = self.size

    def add_twins(self, each: int, deadline: Deadline) -> None:
        """Creates so many on each node without twins; InputError in a cluster without twins."""
        if not self.place.twins:
            raise InputError("this cluster has no twins", remedy="Add the add-on `twins`.")
        self._create(
            [
                hollow.twin_manifest(name, number)
                for name in self._names[self._twinned :]
                for number in range(1, each + 1)
            ],
            deadline,
        )
        self._twins += (self.size - self._twinned) * each
        self._twinned = self.size

    def _create(self, manifests: Sequence[Manifest], deadline: Deadline) -> None:
        def apply(manifest: Manifest) -> None:
            self.place.kubectl.apply_patiently(
                manifest["metadata"]["name"], [manifest], deadline, self.check
            )

        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for done in [pool.submit(apply, manifest) for manifest in manifests]:
                done.result()

    def _release_leases(self) -> None:
        """For a kwok that replaces another: each holds leases under its own name (Identity in
        kwok's pkg/kwok/controllers) and waits for those of others to expire, which takes as long
        as a node may be silent."""
        names = self._names
        if not names:
            return
        deadline = Deadline.scaled(RELEASE_SECONDS)
        try:
            self.place.kubectl.delete("leases", "-n", LEASES, *names, deadline=deadline, wait=False)
        except LabError as trouble:
            warn(f"hollow nodes are silent until their leases run out: {trouble.message}")

    # -- silence -------------------------------------------------------------------------

    def silence(self) -> int:
        """Silences all nodes; returns the time, ns since 1970.

        Raises:
            LabError: kwok has ended, or does not stop.
        """
        return self._kwok.silence()

    def wake(self) -> int:
        """Wakes all nodes at once, so that all report."""
        return self._kwok.wake()

    # -- its end -------------------------------------------------------------------------

    def remove(self) -> tuple[str, ...]:
        """Removes nodes, leases, pods and twins, and their RBAC objects.

        Continues after failures. What cannot be removed is logged and returned, and is not an
        error, which would hide that of the block.
        """
        self._kwok.let_go_on()
        failed = []
        with step("remove the fleet"):
            for what, seconds, force in self._removals():
                deadline = Deadline.scaled(seconds)
                try:
                    self.place.kubectl.delete(*what, deadline=deadline, force=force)
                except LabError as trouble:
                    failed.append(f"{what[0]} of hollow nodes may be left: {trouble.message}")
        for left in failed:
            warn(left)
        self._names, self._pods, self._twins, self._twinned = (), 0, 0, 0
        return tuple(failed)

    def _removals(self) -> Iterator[tuple[tuple[str, ...], float, bool]]:
        """What to delete, the time limit, and whether by force. Nodes come first: leftover nodes
        are the most work for the control plane."""
        everything = ("-l", hollow.SELECTOR)
        yield ("nodes", *everything), REMOVE_SECONDS, False
        yield ("pods", *everything, "-n", hollow.NAMESPACE), REMOVE_SECONDS, True
        if self._names:
            yield ("leases", "-n", LEASES, *self._names), REMOVE_SECONDS, False
        yield ("namespace", hollow.NAMESPACE), REMOVE_SECONDS, False
        for kind in ("clusterrolebinding", "clusterrole"):
            yield (kind, hollow.USER), REMOVE_ONE_SECONDS, False

    def end(self) -> None:
        """Ends kwok. The state of its nodes stays."""
        self._kwok.end()
        self.place.remove_kubeconfig()


@contextlib.contextmanager
def fleet_beside(
    place: FleetPlace,
    *,
    nodes: int,
    deadline: Deadline,
    twin_every_s: float = 10.0,
    parallel: int | None = None,
    on_left: Callable[[str], None] = lambda what: None,
) -> Iterator[Fleet]:
    """A fleet of that size while the block runs; all Ready, if the cluster can hold them.

    Args:
        nodes: The initial size; `Fleet.grow` adds more.
        twin_every_s: Interval at which each of its twins is reported.
        parallel: Maximum nodes that wait for a response at a time; by default `MOST`.
        on_left: Called with what could not be removed at the end of the block, if anything.

    Raises:
        LabError: kwok cannot be started, or ends.
    """
    give_rights(place, deadline)
    kubeconfig = place.write_kubeconfig()
    config = place.folder / "kwok.yaml"
    config.write_text(
        kwok_config(
            lease_s=round(place.lease_s),
            parallel=parallel or max(nodes, 1_000),
            twin_every_s=twin_every_s if place.twins else None,
        ),
        encoding="utf-8",
    )
    command = kwok_command(place.kwok, kubeconfig, config)
    with Readiness(place.kubectl, hollow.SELECTOR) as readiness:
        fleet = Fleet(place, command, readiness)
        try:
            fleet.growth = fleet.grow(nodes, deadline)
            fleet.check()
            yield fleet
        finally:
            try:
                if left := fleet.remove():
                    on_left("; ".join(left))
            finally:
                fleet.end()


def give_rights(place: FleetPlace, deadline: Deadline) -> None:
    """Namespace and RBAC objects of hollow nodes."""
    manifests = [hollow.namespace_manifest(), *hollow.rights()]
    place.kubectl.apply_patiently("rights of hollow nodes", manifests, deadline)


__all__ = ["Fleet", "Growth", "fleet_beside"]
