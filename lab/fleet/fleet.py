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
"""Hollow nodes that one kwok is asked to hold here; more than 1,000 nobody has tried."""
AT_A_TIME = 8
"""Objects that are created at a time."""
REMOVE_SECONDS = 300.0
"""For all of its objects of one kind to be removed, on the reference machine."""
RELEASE_SECONDS = 60.0
"""For their leases to be removed, on the reference machine."""
LEASES = "kube-node-lease"
REMOVE_ONE_SECONDS = 60.0
"""For an object that it has only one of."""


@dataclass(frozen=True)
class Growth:
    """What became of new nodes."""

    ready_after_s: float | None
    """From the creation of the last of them until all of the fleet were Ready; None if they were
    not in time."""
    never_ready: tuple[str, ...] = ()


class Fleet:
    """Hollow nodes beside one cluster. Made by `fleet_beside`."""

    def __init__(self, place: FleetPlace, command: Sequence[str], readiness: Readiness) -> None:
        """`command` is kwok's, which is started."""
        self.place = place
        self.readiness = readiness
        self._names: tuple[str, ...] = ()
        self._kwok = KwokProcess(command, place.run, place.kubeconfig, self._release_leases)
        self.growth = Growth(None)
        """Of the nodes that it was begun with."""
        self._pods = 0
        self._twins = 0
        self._twinned = 0
        """Nodes that have twins: the first ones."""

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
        """LabError if kwok has ended: then nobody stands for the nodes."""
        self._kwok.check()

    # -- how many ------------------------------------------------------------------------

    def grow(self, size: int, deadline: Deadline) -> Growth:
        """Until there are `size` nodes, and they are Ready; they may fail to be, which is told.

        Raises:
            LabError: kwok has ended, or the API server takes no objects.
        """
        if not self.size <= size <= MOST:
            raise InputError(f"a fleet of {self.size} nodes cannot grow to {size}")
        wanted = tuple(hollow.hollow_name(index) for index in range(1, size + 1))
        with step(f"fleet of {size} nodes"):
            new, self._names = wanted[self.size :], wanted
            return self._grown(new, deadline)

    def restore(self, deadline: Deadline) -> Growth:
        """Creates again those of its nodes that somebody has removed, and waits for all.

        When a lab is put back to its checkpoint, all of them are gone, and their rights, and what
        kwok has seen is not what will happen: it begins anew.
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
        except DeadlineExceeded:  # the control plane's fault, and in the evidence
            return Growth(None, tuple(sorted(wanted - self.readiness.ready())))
        return Growth(time.monotonic() - created)

    def _missing(self, deadline: Deadline) -> list[str]:
        here = {
            item["metadata"]["name"]
            for item in self.place.kubectl.items("nodes", "-l", hollow.SELECTOR, deadline=deadline)
        }
        return [name for name in self._names if name not in here]

    def add_pods(self, deadline: Deadline) -> None:
        """One on each node, that may be evicted."""
        self._create([hollow.pod_manifest(name) for name in self._names], deadline)
        self._pods = self.size

    def add_twins(self, each: int, deadline: Deadline) -> None:
        """So many on each node that has none; InputError of a cluster without twins."""
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
        """For a kwok that takes the place of another: each holds leases under a name of its own
        (Identity in kwok's pkg/kwok/controllers), and waits for those of others to run out, which
        takes as long as a node may be silent."""
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
        """From now on none of its nodes says anything; when, ns since 1970.

        Raises:
            LabError: kwok has ended, or does not stand still.
        """
        return self._kwok.silence()

    def wake(self) -> int:
        """All of them go on at once, and all have something to say."""
        return self._kwok.wake()

    # -- its end -------------------------------------------------------------------------

    def remove(self) -> tuple[str, ...]:
        """Nodes, leases, pods and twins, and their rights.

        Each whatever became of the others. What cannot be removed is told of and returned, and no
        error: a block that has failed has failed by itself.
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
        """What to delete, for how long it is tried, and whether by force. Nodes come first:
        nothing else that is left of a fleet is as much work for the control plane."""
        everything = ("-l", hollow.SELECTOR)
        yield ("nodes", *everything), REMOVE_SECONDS, False
        yield ("pods", *everything, "-n", hollow.NAMESPACE), REMOVE_SECONDS, True
        if self._names:
            yield ("leases", "-n", LEASES, *self._names), REMOVE_SECONDS, False
        yield ("namespace", hollow.NAMESPACE), REMOVE_SECONDS, False
        for kind in ("clusterrolebinding", "clusterrole"):
            yield (kind, hollow.USER), REMOVE_ONE_SECONDS, False

    def end(self) -> None:
        """Ends kwok. What it has said of its nodes stays."""
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
    """A fleet of that size while the block runs; all Ready, if the cluster holds them.

    Args:
        nodes: To begin with; `Fleet.grow` adds some.
        twin_every_s: How often each of its twins is reported.
        parallel: The most nodes that wait for an answer at a time; by default all of `MOST`.
        on_left: Is told what could not be removed when the block was over, if anything.

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
    """Namespace and rights of hollow nodes."""
    manifests = [hollow.namespace_manifest(), *hollow.rights()]
    place.kubectl.apply_patiently("rights of hollow nodes", manifests, deadline)


__all__ = ["Fleet", "Growth", "fleet_beside"]
