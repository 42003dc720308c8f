"""A node's own timestamps of a pod's start: its journal, and the state of its container runtime.

The lines are those that containerd (1.7, 2.x) and the kubelet (also the one inside edgecore)
write at their default levels, so no debug build is needed. Each has a timestamp of the program
itself, in ns or µs, which is used instead of journald's: on a busy emulated CPU journald's was
seen to be 0.7 s late.

The start of a container is not taken from a line. "StartContainer returns successfully" is written
at the end of the call, which was seen to be after the kubelet's report. containerd keeps the moment
itself, in ns, in the container's `status`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from edge_lab.core.errors import LabError
from edge_lab.oracles.scheduling.stages import Moment

IDENTIFIERS = ("containerd", "kubelet", "edgecore")
"""The programs that write them, by their names in the journal."""

CRI_STATE = "/var/lib/containerd/io.containerd.grpc.v1.cri/containers"
"""Has a folder for each container, in containerd 1.7 and 2.x."""

_WANTED = "RunPodSandbox|CreateContainer within|VerifyControllerAttachedVolume"

_CONTAINERD = re.compile(
    r'time="(?P<date>[\d-]+T[\d:]+)(?:\.(?P<fraction>\d{1,9}))?Z" level=info msg="(?P<said>.*)"'
)
_KLOG = re.compile(r"I(?P<date>\d{4} [\d:]{8})\.(?P<fraction>\d{6}) +\d+ \S+\] (?P<said>.*)")
_SANDBOX = re.compile(
    r"RunPodSandbox for &PodSandboxMetadata\{Name:[^,]+,Uid:(?P<uid>[^,]+),"
    r".*?\}(?: returns sandbox id \\?\"(?P<id>\w+)\\?\")?$"
)
_CONTAINER = re.compile(
    r"CreateContainer within sandbox \\?\"(?P<sandbox>\w+)\\?\" for &ContainerMetadata\{.*?\}"
    r" returns container id \\?\"(?P<id>\w+)\\?\"$"
)
_VOLUME = re.compile(r"VerifyControllerAttachedVolume started .*\(UID: \\?\"(?P<uid>[\w-]+)\\?\"\)")


def journal_command(since: int) -> str:
    """The shell command for the lines since then, ns on its clock, with journald's time in s."""
    who = " ".join(f"-t {name}" for name in IDENTIFIERS)
    return (
        f"journalctl --no-pager -q -o short-unix --since=@{since // 1_000_000_000} {who}"
        f" | grep -E {shlex.quote(_WANTED)} || true"
    )


def state_command(containers: Iterable[str]) -> str:
    """The shell command for the id and state of each container, a line each."""
    ids = " ".join(shlex.quote(container) for container in containers)
    return (
        f"for id in {ids}; do printf '%s ' $id; "
        f"tr -d '\\n' < {CRI_STATE}/$id/status 2>/dev/null; echo; done"
    )


@dataclass
class NodeJournal:
    """The moments of each pod, by its uid; ns since 1970 on the node's clock."""

    moments: dict[str, dict[Moment, int]] = field(default_factory=dict)
    _asked: dict[str, int] = field(default_factory=dict)
    _sandboxes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Iterable[str]) -> NodeJournal:
        """Other lines are ignored."""
        journal = cls()
        for line in lines:
            journal._read(line)
        # For a pod without volumes the kubelet logs nothing before it requests the sandbox.
        for uid, asked in journal._asked.items():
            journal._note(uid, Moment.NODE_SAW, asked)
        return journal

    def of_pod(self, uid: str) -> Mapping[Moment, int]:
        """What was seen of it."""
        return dict(self.moments.get(uid, {}))

    def _read(self, line: str) -> None:
        stamp, _, rest = line.partition(" ")
        if found := _CONTAINERD.search(rest):
            self._runtime_line(_nanoseconds(found["date"], found["fraction"]), found["said"])
        elif found := _KLOG.search(rest):
            volume = _VOLUME.search(found["said"])
            if volume:
                when = _klog_time(found["date"], found["fraction"], float(stamp))
                self._note(volume["uid"], Moment.NODE_SAW, when)

    def _runtime_line(self, when: int, said: str) -> None:
        if found := _SANDBOX.match(said):
            uid, sandbox = found["uid"], found["id"]
            if sandbox is None:
                self._asked.setdefault(uid, when)
            else:
                self._sandboxes[sandbox] = uid
                self._note(uid, Moment.SANDBOX_READY, when)
        elif found := _CONTAINER.match(said):
            owner = self._sandboxes.get(found["sandbox"])
            if owner is not None:
                self._note(owner, Moment.IMAGE_READY, when)

    def _note(self, uid: str, moment: Moment, when: int) -> None:
        """The first time counts: a failed sandbox is created again."""
        self.moments.setdefault(uid, {}).setdefault(moment, when)


def started_at(text: str) -> Mapping[str, int]:
    """Parses the output of `state_command`: when each container was started, by id, ns.

    Omits containers without a state, or that were never started.

    Raises:
        LabError: a state has an unknown format.
    """
    found = {}
    for line in text.splitlines():
        container, _, state = line.partition(" ")
        if not state.strip():
            continue
        try:
            when = json.loads(state)["StartedAt"]
        except (ValueError, KeyError, TypeError) as trouble:
            raise LabError(f"the state of container {container} reads {state[:80]!r}") from trouble
        if when:
            found[container] = int(when)
    return found


def container_id(pod: Mapping[str, object]) -> str:
    """The id of the pod's first container, without the runtime's name; empty if none yet."""
    status = pod.get("status")
    statuses: Sequence[Mapping[str, str]] = (
        status.get("containerStatuses") or () if isinstance(status, dict) else ()
    )
    return statuses[0].get("containerID", "").rpartition("//")[2] if statuses else ""


def _nanoseconds(date: str, fraction: str | None) -> int:
    whole = datetime.fromisoformat(f"{date}+00:00")
    return int(whole.timestamp()) * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))


def _klog_time(date: str, fraction: str, journaled: float) -> int:
    """klog writes local time, which is UTC on nodes, without a year: journald gives the year."""
    seen = datetime.fromtimestamp(journaled, UTC)
    candidates = []
    for year in (seen.year - 1, seen.year, seen.year + 1):
        try:
            candidates.append(
                datetime.strptime(f"{year} {date}", "%Y %m%d %H:%M:%S").replace(tzinfo=UTC)
            )
        except ValueError:  # the 29th of February, in a year without one
            continue
    nearest = min(candidates, key=lambda moment: abs(moment - seen), default=None)
    if nearest is None or abs(nearest - seen) > timedelta(days=1):
        raise LabError(f"a line of {date} was journaled at {seen:%m%d %H:%M:%S} UTC")
    return int(nearest.timestamp()) * 1_000_000_000 + int(fraction) * 1000
