"""Processes and threads of a node's pods, up to a limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edge_lab.core.errors import InputError
from edge_lab.faults.families.node.action import NodeAction
from edge_lab.faults.families.node.guestfacts import number_in, parse_facts, python
from edge_lab.faults.families.node.kinds import PidsExhausted
from edge_lab.faults.limits import PROOF_SECONDS, prove

if TYPE_CHECKING:
    from edge_lab.machines import Machine

GROUPS = ("/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/kubepods.slice")
"""The control group of all pods, by the kubelet's cgroup driver: cgroupfs or systemd."""
PREVIOUS = "/run/edge-lab-pids-exhausted"
"""The limit before the fault, in a file: another process of the lab may heal it, and a boot removes
both."""

PROGRAM = (
    f"""\
import os, sys, time
what, number = sys.argv[1], int(sys.argv[2])
groups, previous = {GROUPS!r}, {PREVIOUS!r}
"""
    + """\
group = next((path for path in groups if os.path.exists(path + "/pids.max")), "")

def read(path):
    try:
        with open(path) as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""

def write(path, text):
    with open(path, "w") as file:
        file.write(text)

def limit():
    used = []
    for _ in range(20):
        used.append(int(read(group + "/pids.current")))
        time.sleep(0.05)
    now, wanted = read(group + "/pids.max"), min(used) + number
    if not os.path.exists(previous):
        write(previous, now)
    if now == "max" or wanted < int(now):
        write(group + "/pids.max", str(wanted))

def start_processes():
    probe = group + "/edge-lab-probe"
    home = "/sys/fs/cgroup" + read("/proc/self/cgroup").rpartition("::")[2]
    os.makedirs(probe, exist_ok=True)
    write(probe + "/cgroup.procs", str(os.getpid()))
    held, release = os.pipe()
    children, refused = [], 0
    for _ in range(number):
        try:
            child = os.fork()
        except BlockingIOError:
            refused += 1
            continue
        if not child:
            os.close(release)
            os.read(held, 1)
            os._exit(0)
        children.append(child)
    os.close(release)
    for child in children:
        os.waitpid(child, 0)
    write(home + "/cgroup.procs", str(os.getpid()))
    try:
        os.rmdir(probe)
    except OSError:
        pass
    print("started", len(children))
    print("refused", refused)

if group and what == "limit":
    limit()
elif group and what == "restore" and read(previous):
    write(group + "/pids.max", read(previous))
elif group and what == "try":
    start_processes()
print("group", group or "none")
if group:
    print("limit", read(group + "/pids.max"))
    print("used", read(group + "/pids.current"))
print("previous", read(previous) or "none")
"""
)
"""Arguments: `limit` and the PIDs to leave, `restore`, `try` and a number of processes to start
among the pods, or `look`. A limit is set by the least use of a second, and never raised."""

FORGET = f"rm -f {PREVIOUS}"


class PidsExhaustedAction(NodeAction[PidsExhausted]):
    def check(self, machine: Machine, fault: PidsExhausted) -> None:
        self._must_be_free(machine, fault)

    def inject(self, machine: Machine, fault: PidsExhausted) -> str:
        self._must_be_free(machine, fault)
        return prove(
            fault.title, lambda: self._limited(machine, fault), self.tools.limit(PROOF_SECONDS)
        )

    def heal(self, machine: Machine, fault: PidsExhausted) -> str:
        self._facts(machine, "restore")
        cure = prove(
            f"{fault.title} is healed",
            lambda: self._cured(machine, fault),
            self.tools.limit(PROOF_SECONDS),
        )
        self.tools.run(machine, FORGET)
        return cure

    def _must_be_free(self, machine: Machine, fault: PidsExhausted) -> None:
        """Raises InputError if the fault could not be observed on the node as it is."""
        facts = self._facts(machine, "look")
        if facts["group"] == "none":
            raise InputError(
                f"{machine.name} has no control group of pods",
                remedy="It has one as soon as its kubelet, or edgecore, has started.",
            )
        if facts["previous"] != "none":
            raise InputError(
                f"the PIDs of pods are limited on {machine.name} already",
                remedy="Run `lab fault heal --all`, or reboot the node.",
            )
        limit, used = facts.get("limit", ""), number_in(facts, "used")
        if limit != "max" and used + fault.leave >= number_in(facts, "limit"):
            raise InputError(
                f"pods use {used} of {limit} PIDs on {machine.name} already",
                remedy="Use a smaller `leave`.",
            )

    def _limited(self, machine: Machine, fault: PidsExhausted) -> str:
        """Sets the limit, and describes its observed effect; empty if there is none yet."""
        self._facts(machine, "limit", fault.leave)
        facts = self._try(machine, fault)
        if not number_in(facts, "refused"):
            return ""
        return (
            f"of {fault.leave + 1} processes beside the pods' {facts['used']} of {facts['limit']}, "
            f"{facts['refused']} could not be started: EAGAIN"
        )

    def _cured(self, machine: Machine, fault: PidsExhausted) -> str:
        """Describes the observed recovery; empty if there is not enough yet."""
        facts = self._try(machine, fault)
        if facts["previous"] == "none":
            return "the node has booted since, which ended it"
        if facts["group"] == "none" or number_in(facts, "refused"):
            return ""
        return f"{facts['started']} processes could be started; the limit is {facts['limit']}"

    def _try(self, machine: Machine, fault: PidsExhausted) -> Mapping[str, str]:
        return self._facts(machine, "try", fault.leave + 1)

    def _facts(self, machine: Machine, what: str, number: int = 0) -> Mapping[str, str]:
        said = self.tools.run(machine, python(PROGRAM, what, number))
        return parse_facts(said, "group", "previous")
