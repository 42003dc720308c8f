"""A node's own view of its containers and samples: a shell loop in the guest, one line each time.

What runs is read from the container runtime's own state below /run: a folder for each container,
with its OCI specification and the process id of its init.  That costs an emulated guest
almost nothing, while a client of the runtime would use a second of its CPU each time.

    B <boot id>                                           once, at the beginning
    C <id> <container|sandbox> <namespace> <pod> <uid>    a new container
    L <id>…                                               each time: the running containers
    S <status.json of the sampler>                        when it has changed
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from edge_lab.addons.workload.manifests import SAMPLER_STATUS
from edge_lab.core.errors import LabError
from edge_lab.provisioning.cri import CriRuntime

_LOOP = rf"""
shopt -s nullglob
declare -A known
read -r boot < /proc/sys/kernel/random/boot_id; echo "B $boot"
annotation() {{
  local entry="\"$1\": ?\"([^\"]*)\""
  [[ $spec =~ $entry ]] && echo -n "${{BASH_REMATCH[1]}}"
}}
while :; do
  alive=
  for folder in @STATES@; do
    id=${{folder%/userdata}}; id=${{id##*/}}
    pid=; [[ -r $folder/@PID_FILE@ ]] && read -r pid < $folder/@PID_FILE@
    [[ -n $pid && -d /proc/$pid ]] || continue
    @SAME_PROCESS@
    if [[ -z ${{known[$id]}} ]]; then
      spec=$(< $folder/config.json)
      kind=$(annotation @KIND@)
      [[ -n $kind ]] || continue
      space=$(annotation @NAMESPACE@) name=$(annotation @NAME@)
      echo "C $id $kind $space $name $(annotation @UID@)"
      known[$id]=1
    fi
    alive="$alive $id"
  done
  echo "L$alive"
  status=; [[ -r {SAMPLER_STATUS} ]] && status=$(< {SAMPLER_STATUS})
  [[ -n $status && $status != "$said" ]] && {{ said=$status; echo "S ${{status//$'\n'/ }}"; }}
  sleep 1
done
"""
"""For bash. All folders disappear at a reboot."""

_SAME_PROCESS = (
    "group=; read -r group 2>/dev/null < /proc/$pid/cgroup; [[ $group == *$id* ]] || continue"
)
"""The control group of a container's processes is named after it."""


def loop(runtime: CriRuntime) -> str:
    """The loop for a node with that container runtime."""
    parts = {
        "@STATES@": runtime.states,
        "@PID_FILE@": runtime.pid_file,
        "@SAME_PROCESS@": _SAME_PROCESS if runtime.pid_file_stays else ":",
        "@KIND@": runtime.annotations.kind,
        "@NAMESPACE@": runtime.annotations.namespace,
        "@NAME@": runtime.annotations.name,
        "@UID@": runtime.annotations.uid,
    }
    script = _LOOP
    for place, text in parts.items():
        script = script.replace(place, text)
    return script


@dataclass(frozen=True)
class PodKey:
    """A pod as identified by the runtime."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Look:
    """What ran at one moment, by pod: the ids of its containers, without sandboxes."""

    running: dict[PodKey, tuple[str, ...]]


@dataclass(frozen=True)
class Samples:
    """Counters of the sampler, summed over all devices."""

    waiting: int
    sampled: int


class NodeView:
    """Parses the lines of the loop."""

    def __init__(self) -> None:
        self.boot = ""
        self._pods: dict[str, PodKey] = {}
        self._pods_seen: set[PodKey] = set()

    def read(self, line: str) -> Look | Samples | None:
        """The observation of a line; None if it only introduces a name.

        Raises:
            LabError: it is not a line of the loop.
        """
        match line.split(" ", 1):
            case ["B", boot]:
                self.boot = boot
            case ["C", rest]:
                self._name(rest)
            case ["L", *rest]:
                return self._look(rest[0].split() if rest else [])
            case ["S", text]:
                return _samples(text)
            case _:
                raise LabError(f"unexpected output of the loop on the node: {line[:80]!r}")
        return None

    def _name(self, rest: str) -> None:
        id, _, described = rest.partition(" ")
        kind, *names = described.split(" ")
        if kind == "container" and len(names) == 3:
            pod = PodKey(*names)
            self._pods[id] = pod
            self._pods_seen.add(pod)

    def _look(self, alive: list[str]) -> Look:
        running: dict[PodKey, list[str]] = {pod: [] for pod in self._pods_seen}
        for id in alive:
            if pod := self._pods.get(id):
                running[pod].append(id)
        return Look({pod: tuple(sorted(ids)) for pod, ids in running.items()})


def _samples(text: str) -> Samples | None:
    try:
        devices = json.loads(text)["devices"].values()
        return Samples(
            sum(device["waiting"] for device in devices),
            sum(device["sampled"] for device in devices),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # it was being written, or is not the sampler's
