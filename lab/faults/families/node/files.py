"""File descriptors of a service, up to a limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from edge_lab.core.errors import DeadlineExceeded, InputError
from edge_lab.faults.families.node.guestfacts import number_in, parse_facts, python
from edge_lab.faults.families.node.kinds import FilesExhausted
from edge_lab.faults.families.node.services import ServiceAction
from edge_lab.faults.limits import PROOF_SECONDS, prove

if TYPE_CHECKING:
    from edge_lab.machines import Machine

ACCEPT_SECONDS = 20.0
"""For a service to accept all connections; those of an earlier look may still be closing."""

SPARE_OFFERS = 8
"""Connections that are offered to a service beyond the descriptors that it has left."""

PROGRAM = """\
import os, resource, socket, sys, time
what, pid, previous, number = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
folder = "/proc/%d" % pid

def used():
    return {int(name) for name in os.listdir(folder + "/fd")}

def limits():
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)

def free():
    soft = limits()[0]
    return soft - sum(descriptor < soft for descriptor in used())

def fitting():
    taken, left, least = used(), number, 0
    while left or least in taken:
        left -= least not in taken
        least += 1
    return least

def started():
    with open(folder + "/stat") as file:
        return file.read().rpartition(")")[2].split()[19]

def noted():
    try:
        with open(previous) as file:
            was, begun, soft = file.read().split()
    except FileNotFoundError:
        return None
    return int(soft) if (int(was), begun) == (pid, started()) else 0

def sockets():
    inodes = set()
    for descriptor in used():
        try:
            target = os.readlink("%s/fd/%d" % (folder, descriptor))
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    with open(folder + "/net/unix") as file:
        for words in map(str.split, file):
            listens = len(words) == 8 and words[3:5] == ["00010000", "0001"]
            if listens and words[6] in inodes:
                yield socket.AF_UNIX, words[7].replace("@", chr(0), 1)
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        try:
            file = open(folder + "/net/" + name)
        except FileNotFoundError:
            continue
        with file:
            for words in map(str.split, file):
                if words[3] != "0A" or words[9] not in inodes:
                    continue
                number, port = words[1].split(":")
                parts = [bytes.fromhex(number[at:at + 8])[::-1] for at in range(0, len(number), 8)]
                if not any(map(any, parts)):
                    yield socket.AF_INET, ("127.0.0.1", int(port, 16))
                else:
                    yield family, (socket.inet_ntop(family, b"".join(parts)), int(port, 16))

def offer():
    family, address = next(sockets(), (None, None))
    if family is None:
        return
    before, offered, taken, least = len(used()), [], 0, free()
    for _ in range(number):
        client = socket.socket(family, socket.SOCK_STREAM)
        client.setblocking(False)
        offered.append(client)
        try:
            client.connect(address)
        except BlockingIOError:
            pass
    end = time.monotonic() + 10
    full = None
    while taken < number and time.monotonic() < end:
        taken = max(taken, len(used()) - before)
        left = free()
        least = min(least, left)
        full = None if left > 0 else full or time.monotonic()
        if full and time.monotonic() - full > 1:
            break
        time.sleep(0.05)
    for client in offered:
        client.close()
    print("offered", number)
    print("taken", min(taken, number))
    print("least", max(0, least))

if what == "limit":
    soft, hard = limits()
    if not noted():
        with open(previous, "w") as file:
            file.write("%d %s %d" % (pid, started(), soft))
    wanted = soft
    for _ in range(20):
        wanted = min(wanted, fitting())
        time.sleep(0.05)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (wanted, hard))
elif what == "restore" and noted():
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (noted(), limits()[1]))
elif what == "offer":
    offer()
print("limit", limits()[0])
print("used", len(used()))
print("free", max(0, free()))
print("previous", "none" if noted() is None else noted() or "other")
"""
"""Arguments: `limit`, `restore`, `offer` or `look`; the process; the file for its previous limit; a
number: for `limit`, of descriptors to leave, for `offer`, of connections to a socket on which the
process listens. A limit is set by the least use of a second, and never raised. `previous` is
`other` if the process is another one than the fault's."""


def previous_of(service: str) -> str:
    """The file with a process and its limit before the fault. Below /run, which a boot empties."""
    return f"/run/edge-lab-files-exhausted-{service}"


class FilesExhaustedAction(ServiceAction[FilesExhausted]):
    def check(self, machine: Machine, fault: FilesExhausted) -> None:
        self._must_be_free(machine, fault)

    def inject(self, machine: Machine, fault: FilesExhausted) -> str:
        pid = self._must_be_free(machine, fault)
        return prove(
            fault.title,
            lambda: self._limited(machine, fault, pid),
            self.tools.limit(PROOF_SECONDS),
        )

    def heal(self, machine: Machine, fault: FilesExhausted) -> str:
        pid = self._main_pid(machine, fault.service)
        if not pid:  # the node was rebooted meanwhile, or systemd has given up on the service
            self._running(machine, fault.service)
            pid = self._must_run(machine, fault.service)
        self._facts(machine, fault, pid, "restore")
        cure = prove(
            f"{fault.title} is healed",
            lambda: self._cured(machine, fault, pid),
            self.tools.limit(PROOF_SECONDS),
        )
        self.tools.run(machine, f"rm -f {previous_of(fault.service)}")
        return cure

    def _must_be_free(self, machine: Machine, fault: FilesExhausted) -> int:
        """The service's process; InputError if the fault could not be observed on it as it is."""
        pid = self._must_run(machine, fault.service)
        facts = self._facts(machine, fault, pid, "look")
        if facts["previous"] not in ("none", "other"):
            raise InputError(
                f"the files of {fault.service} are limited on {machine.name} already",
                remedy=f"Run `lab fault heal --all`, or restart {fault.service}.",
            )
        try:
            self.tools.limit(ACCEPT_SECONDS).wait_for(
                f"{fault.service} of {machine.name} accepts connections",
                lambda: _accepts_all(self._offer(machine, fault, pid)),
            )
        except DeadlineExceeded as trouble:
            raise InputError(
                f"{trouble.message}: a lack of descriptors could not be observed",
                remedy="Wait until the node is at rest, and use a service that listens on a "
                "socket, such as containerd.service.",
            ) from trouble
        return pid

    def _limited(self, machine: Machine, fault: FilesExhausted, pid: int) -> str:
        """Sets the limit, and describes its observed effect; empty if there is none yet."""
        self._facts(machine, fault, pid, "limit", fault.leave)
        facts = self._offer(machine, fault, pid)
        offered, taken = number_in(facts, "offered"), number_in(facts, "taken")
        if number_in(facts, "least") or taken >= offered:
            return ""
        return (
            f"process {pid} has {facts['used']} files open and may have no descriptor above "
            f"{number_in(facts, 'limit') - 1}; of {offered} connections it accepted {taken}"
        )

    def _cured(self, machine: Machine, fault: FilesExhausted, pid: int) -> str:
        """Describes the observed recovery; empty if there is not enough yet."""
        facts = self._offer(machine, fault, pid)
        if not _accepts_all(facts):
            return ""
        how = f"it accepted all of {facts['offered']} connections"
        if facts["previous"] in ("none", "other"):
            return f"the service was started again since, which ended it; {how}"
        return f"{how}; its limit is {facts['limit']}"

    def _offer(self, machine: Machine, fault: FilesExhausted, pid: int) -> Mapping[str, str]:
        return self._facts(machine, fault, pid, "offer", fault.leave + SPARE_OFFERS)

    def _facts(
        self, machine: Machine, fault: FilesExhausted, pid: int, what: str, number: int = 0
    ) -> Mapping[str, str]:
        command = python(PROGRAM, what, pid, previous_of(fault.service), number)
        return parse_facts(self.tools.run(machine, command), "limit", "previous")


def _accepts_all(facts: Mapping[str, str]) -> bool:
    return "offered" in facts and number_in(facts, "taken") >= number_in(facts, "offered")
