"""The resources of its machine that a control plane uses, read by one short shell script there."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.evidence.fleet import ProgramMoment, ServerMoment

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

DATABASES = ("/var/lib/kine/state.db*", "/var/lib/rancher/k3s/server/db/state.db*")
"""The databases of the lab's control planes, with write-ahead log and index."""

MIB = 1 << 20


class ControlPlane(Protocol):
    """The machine that a control plane runs on."""

    def look(self, deadline: Deadline) -> ServerMoment:
        """LabError if it does not answer, or the output is invalid."""
        ...


def script(programs: Mapping[str, str], databases: Iterable[str]) -> str:
    """The script, from shell words that yield the pid of each program, and patterns of database
    files."""
    stat = 'cut -d")" -f2- /proc/$p/stat 2>/dev/null'
    asks = "\n".join(
        f'p={pid}; p=${{p:-0}}; echo "program {shlex.quote(name)} $p $({stat})"'
        for name, pid in programs.items()
    )
    return f"""\
echo "clock $(getconf CLK_TCK) $(getconf PAGESIZE)"
grep -m1 '^cpu ' /proc/stat
grep -E '^(MemTotal|MemAvailable):' /proc/meminfo
grep '^oom_kill ' /proc/vmstat
{asks}
echo "datastore $(stat -c %s {" ".join(databases)} 2>/dev/null | tr '\\n' ' ')"
"""


def parse_moment(text: str) -> ServerMoment:
    """Parses the output of the script; LabError if it is incomplete."""
    facts: dict[str, list[int]] = {}
    programs: dict[str, list[str]] = {}
    try:
        for line in text.splitlines():
            first, *rest = line.split()
            if first == "program":
                programs[rest[0]] = rest[1:]
            elif first.endswith(":"):
                facts[first.rstrip(":")] = [int(rest[0])]
            else:
                facts[first] = [int(word) for word in rest]
        tick, page = facts["clock"]
        # user, nice, system, idle, iowait, irq, softirq, steal (proc_stat(5)); guests' time is in
        # user's already.
        user, nice, system, idle, waiting, irq, softirq, steal = facts["cpu"][:8]
        return ServerMoment(
            time=time.time_ns(),
            busy_s=(user + nice + system + irq + softirq + steal) / tick,
            idle_s=(idle + waiting) / tick,
            waiting_s=waiting / tick,
            total_mib=round(facts["MemTotal"][0] / 1024, 1),
            available_mib=round(facts["MemAvailable"][0] / 1024, 1),
            kills=facts["oom_kill"][0],
            programs={name: _program(words, tick, page) for name, words in programs.items()},
            datastore_mib=round(_sum(facts["datastore"]) / MIB, 2),
        )
    except (ValueError, KeyError, IndexError) as trouble:
        raise LabError(f"the server's figures are incomplete ({trouble!r}): {text!r}") from trouble


def _sum(sizes: list[int]) -> int:
    if not sizes:
        raise ValueError("no database where those of the lab's control planes are")
    return sum(sizes)


def _program(words: list[str], tick: int, page: int) -> ProgramMoment:
    """From the fields of /proc/<pid>/stat after the program's name (proc_pid_stat(5))."""
    pid = int(words[0])
    fields = words[1:]
    if not fields:
        return ProgramMoment(pid=0, cpu_s=0.0, rss_mib=0.0)
    return ProgramMoment(
        pid=pid,
        cpu_s=sum(map(int, fields[11:13])) / tick,
        rss_mib=round(int(fields[21]) * page / MIB, 1),
    )


@dataclass(frozen=True)
class ServerNode:
    """The server of a lab: its units are the programs."""

    lab: Lab

    def look(self, deadline: Deadline) -> ServerMoment:
        server = self.lab.topology.server.name
        text = script(
            {
                unit.removesuffix(".service"): f"$(systemctl show -P MainPID {shlex.quote(unit)})"
                for unit in self.lab.stack.server_units()
            },
            DATABASES,
        )
        moment = parse_moment(self.lab.machine(server).run(text, deadline).stdout)
        running = {name: program for name, program in moment.programs.items() if program.pid}
        return moment.model_copy(update={"programs": running})
