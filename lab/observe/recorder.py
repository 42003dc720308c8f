"""Records a lab over a span of time: threads that observe, and one list of observations."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from edge_lab.addons.workload import NAMESPACE
from edge_lab.cluster.objects import condition, pod_ready, restart_counts
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError, MissingCapability
from edge_lab.core.step import step
from edge_lab.evidence.recording import (
    ApiSeen,
    ContainerSeen,
    NodeAnswered,
    NodeSeen,
    PodSeen,
    Recording,
    WaitingSeen,
)
from edge_lab.evidence.samples import SampleObservation
from edge_lab.faults.journal import FaultJournal
from edge_lab.measuring.observation import Observation
from edge_lab.measuring.watcher import Watcher
from edge_lab.observe.log import ObservationLog
from edge_lab.observe.nodeview import Look, NodeView, PodKey, Samples, loop
from edge_lab.observe.samples import OBSERVE_SECONDS, observations
from edge_lab.provisioning.cri import cri_of

if TYPE_CHECKING:
    from edge_lab.cluster.watch import Watch
    from edge_lab.handle.lab import Lab
    from edge_lab.machines import Machine

SILENT_SECONDS = 15.0
"""Seconds without a line after which a node counts as not answering: a busy emulated guest may
stall for some seconds."""

CONNECT_SECONDS = 30.0
"""Seconds to connect to a node whose SSH server has sent its banner."""

LOOK_EVERY = 2.0
"""Seconds between two checks that all watchers are still running."""

END_SECONDS = 30.0
"""Seconds for each watcher to stop at the end."""

API_SECONDS = 15.0
"""Maximum seconds for a read of the API server."""

S = TypeVar("S", bound=Observation)

_OWN = (NodeSeen, PodSeen, ContainerSeen, NodeAnswered, WaitingSeen, ApiSeen)
"""Kinds that have their own field in a recording."""


class Recorder:
    """Records from `__enter__` to `__exit__`; the recording so far is available at any time."""

    def __init__(
        self, lab: Lab, nodes: tuple[str, ...] = (), watchers: Sequence[Watcher] = ()
    ) -> None:
        """Observes `nodes`, or all edge nodes; `watchers` add further observations."""
        self._lab = lab
        self._watchers = tuple(watchers)
        self._watching: set[int] = set()
        """Indexes of the watchers that have made at least one observation."""
        self.nodes = nodes or tuple(node.name for node in lab.topology.edges)
        self._log = ObservationLog()
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._began = 0
        self._faults_before = 0
        self._followed: set[str] = set()
        """Kinds of objects of which a watch has received something."""
        self._trouble: Exception | None = None

    # -- life ----------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._began = time.time_ns()
        self._faults_before = len(self._journal.history())
        watchers: list[Callable[[], None]] = [
            self._watch_api,
            partial(self._watch_objects, ("nodes",), self._node_event),
            partial(self._watch_objects, ("pods", "-n", NAMESPACE), self._pod_event),
            *(partial(self._watch_node, self._lab.machine(node)) for node in self.nodes),
            *(partial(self._let_watch, *numbered) for numbered in enumerate(self._watchers)),
        ]
        for watch in watchers:
            thread = threading.Thread(target=self._guarded, args=(watch,), daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def _guarded(self, watch: Callable[[], None]) -> None:
        """Stores the error that ends a watcher prematurely, so that it is reported."""
        try:
            watch()
        except Exception as trouble:  # noqa: BLE001 - raised by `check`
            self._trouble = trouble

    def check(self) -> None:
        """Raises LabError if a watcher has stopped prematurely.

        InputError or MissingCapability, if a watcher has raised one.
        """
        if isinstance(self._trouble, InputError | MissingCapability):
            raise self._trouble
        if self._trouble is not None:
            raise LabError(
                f"the recorder can no longer observe the lab: {self._trouble}"
            ) from self._trouble

    def __exit__(self, *trouble: object) -> None:
        """Raises LabError if one of the additional watchers is still running."""
        self._ended.set()
        for thread in self._threads:
            thread.join(Deadline.scaled(END_SECONDS).remaining)
        # Their threads were started last.
        theirs = zip(reversed(self._watchers), reversed(self._threads), strict=False)
        going_on = [repr(watcher.name) for watcher, thread in theirs if thread.is_alive()]
        if going_on and trouble[0] is None:
            raise LabError(
                f"still running after the end of the watch: watcher {', '.join(going_on)}"
            )

    @property
    def _journal(self) -> FaultJournal:
        return FaultJournal(self._lab.run.logs)

    # -- observations --------------------------------------------------------------------------

    def recording(self) -> Recording:
        """The recording so far, with the samples as they are now.

        Without samples if the collector does not answer: then a verdict reports it.

        Raises:
            LabError: a watcher has stopped prematurely.
        """
        self.check()
        samples: tuple[SampleObservation, ...] = ()
        with step("evidence: samples") as reading:
            try:
                samples = observations(self._lab, Deadline.scaled(OBSERVE_SECONDS))
            except LabError as trouble:
                reading.progress(f"cannot query the collector: {trouble.message}")
        watched = tuple(sample for sample in samples if sample.node in self.nodes)
        seen = self._log.in_order()

        def of(kind: type[S]) -> tuple[S, ...]:
            return tuple(observation for observation in seen if isinstance(observation, kind))

        return Recording(
            began=self._began,
            ended=time.time_ns(),
            runtime=self._lab.stack_name,
            nodes=self.nodes,
            faults=self._journal.history()[self._faults_before :],
            node_seen=of(NodeSeen),
            pod_seen=of(PodSeen),
            container_seen=of(ContainerSeen),
            answered=of(NodeAnswered),
            waiting_seen=of(WaitingSeen),
            api_seen=of(ApiSeen),
            observed=tuple(other for other in seen if not isinstance(other, _OWN)),
            samples=watched,
        )

    def newest(self, kind: type[S], *subject: str) -> S | None:
        """The last observation of a subject: a node's name, or for pods namespace, name and uid."""
        return self._log.newest(kind, *subject)

    def pods(self, node: str) -> list[PodSeen]:
        """The pods of a node as last seen through the API server, including removed ones."""
        return [pod for pod in self._log.all_newest(PodSeen) if pod.node == node]

    def wait_baseline(self, deadline: Deadline) -> None:
        """Waits until each node was seen Ready, with its pods, containers and samples.

        Also until the API server has answered, and each other watcher has made an observation: a
        first observation after a fault proves nothing.
        """

        def complete(node: str) -> bool:
            ready, pods, api = self.newest(NodeSeen, node), self.pods(node), self.newest(ApiSeen)
            return (
                self._followed >= {"nodes", "pods"}
                and api is not None
                and api.answered
                and ready is not None
                and ready.ready == "True"
                and all(pod.ready for pod in pods if not pod.gone)
                and self.newest(WaitingSeen, node) is not None
                and any(container.running for container in self.containers(node))
            )

        for number, watcher in enumerate(self._watchers):
            deadline.wait_for(
                f"the watcher {watcher.name!r} has made an observation",
                partial(self._watching.__contains__, number),
                watch=self.check,
            )
        for node in self.nodes:
            deadline.wait_for(
                f"{node} is watched, Ready, with containers and samples",
                partial(complete, node),
                watch=self.check,
            )

    def containers(self, node: str) -> list[ContainerSeen]:
        """The pods of a node by its own last view."""
        return [
            container for container in self._log.all_newest(ContainerSeen) if container.node == node
        ]

    # -- the API server's view -----------------------------------------------------------------

    def _watch_api(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            try:
                # A plain read: /readyz allows its datastore two seconds, and a busy one needs more.
                self._lab.kubectl.raw("/api/v1/namespaces/default", Deadline.scaled(API_SECONDS))
                answered = True
            except LabError:
                answered = False
            self._log.add(ApiSeen(time=time.time_ns(), answered=answered))

    def _api_answers(self) -> bool:
        seen = self.newest(ApiSeen)
        return seen is None or seen.answered

    def _watch_objects(self, what: tuple[str, ...], event: Callable[[str, Any], None]) -> None:
        """Watches objects of one kind; restarts when the API server was unavailable."""
        while not self._ended.is_set():
            listed = self._listed(what) if self._api_answers() else None
            if listed is None:
                self._ended.wait(LOOK_EVERY)
                continue
            event("LISTED", listed)
            with self._lab.kubectl.watch(*what) as watch:
                threading.Thread(target=self._end_when_away, args=(watch,), daemon=True).start()
                for kind, manifest in watch:
                    self._followed.add(what[0])
                    event(kind, manifest)
            self._ended.wait(LOOK_EVERY / 4)

    def _listed(self, what: tuple[str, ...]) -> list[dict[str, Any]] | None:
        try:
            return self._lab.kubectl.items(*what, deadline=Deadline.scaled(API_SECONDS))
        except LabError:
            return None  # it has just become unavailable

    def _end_when_away(self, watch: Watch) -> None:
        """Closes watches whose server was switched off, which would hang for minutes."""
        while not watch.ended:
            if self._ended.wait(LOOK_EVERY / 4) or not self._api_answers():
                watch.close()
                return

    def _node_event(self, kind: str, item: Any) -> None:
        now = time.time_ns()
        for node in item if kind == "LISTED" else [item]:
            name = node["metadata"]["name"]
            ready = "Absent" if kind == "DELETED" else condition(node, "Ready") or "Unknown"
            self._log.add(NodeSeen(time=now, node=name, ready=ready))

    def _pod_event(self, kind: str, item: Any) -> None:
        now = time.time_ns()
        if kind == "LISTED":
            self._note_vanished({pod["metadata"]["uid"] for pod in item}, now)
        for pod in item if kind == "LISTED" else [item]:
            meta, status = pod["metadata"], pod.get("status", {})
            self._log.add(
                PodSeen(
                    time=now,
                    node=pod["spec"].get("nodeName", ""),
                    namespace=meta["namespace"],
                    name=meta["name"],
                    uid=meta["uid"],
                    phase=status.get("phase", ""),
                    ready=pod_ready(pod),
                    restarts=sum(restart_counts(pod).values()),
                    deleting="deletionTimestamp" in meta,
                    gone=kind == "DELETED",
                )
            )

    def _note_vanished(self, there: set[str], now: int) -> None:
        """Pods that were removed while no watch was open."""
        for pod in self._log.all_newest(PodSeen):
            if not pod.gone and pod.uid not in there:
                gone = pod.model_copy(update={"time": now, "gone": True, "ready": False})
                self._log.add(gone)

    # -- the node's own view -------------------------------------------------------------------

    def _watch_node(self, machine: Machine) -> None:
        script = loop(cri_of(self._lab.topology.node(machine.name)))
        while not self._ended.is_set():
            if machine.answers():
                with _ending(machine.stream(script, Deadline.scaled(CONNECT_SECONDS))) as stream:
                    self._follow(machine.name, stream)
            self._ended.wait(LOOK_EVERY / 2)

    def _follow(self, node: str, stream: subprocess.Popen[bytes]) -> None:
        """Reads the lines of the loop until the node does not answer, or the recorder ends."""
        view = NodeView()
        silent = Deadline.scaled(SILENT_SECONDS).total
        heard = time.monotonic()
        heard_at = time.time_ns()

        def guard() -> None:
            while stream.poll() is None:
                late = time.monotonic() - heard > silent
                if late or self._ended.wait(LOOK_EVERY / 4):
                    stream.kill()
                    return

        threading.Thread(target=guard, daemon=True).start()
        assert stream.stdout is not None
        begun = False
        for line in stream.stdout:
            heard, heard_at = time.monotonic(), time.time_ns()
            seen = view.read(line.decode(errors="replace").rstrip("\n"))
            if view.boot and not begun:
                begun = True
                self._log.add(NodeAnswered(time=heard_at, node=node, answered=True, boot=view.boot))
            if isinstance(seen, Look):
                self._look(node, seen, heard_at)
            elif isinstance(seen, Samples):
                self._log.add(
                    WaitingSeen(
                        time=heard_at, node=node, waiting=seen.waiting, sampled=seen.sampled
                    )
                )
        if begun and not self._ended.is_set():
            self._log.add(NodeAnswered(time=heard_at, node=node, answered=False, boot=view.boot))

    def _look(self, node: str, look: Look, now: int) -> None:
        gone = {
            PodKey(container.namespace, container.pod, container.uid): ()
            for container in self.containers(node)
            if container.running
        }
        for pod, running in {**gone, **look.running}.items():
            self._log.add(
                ContainerSeen(
                    time=now,
                    node=node,
                    namespace=pod.namespace,
                    pod=pod.name,
                    uid=pod.uid,
                    running=running,
                )
            )

    # -- additional watchers -------------------------------------------------------------------

    def _let_watch(self, number: int, watcher: Watcher) -> None:
        for seen in watcher.watch(self._ended):
            if isinstance(seen, Observation):
                self._log.add(seen)
            elif seen is not None:
                kind = type(seen).__name__
                raise LabError(f"the watcher {watcher.name!r} yields no observations: {kind}")
            self._watching.add(number)
            if self._ended.is_set():
                return
        if not self._ended.is_set():
            raise LabError(f"the watcher {watcher.name!r} ended before the watch")


@contextlib.contextmanager
def _ending(process: Any) -> Iterator[Any]:
    """Ends the process with the block."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
