"""Login to an external node, and its first examination."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.home import RunDir
from edge_lab.machines.clock import ShellClock
from edge_lab.machines.external import examination
from edge_lab.machines.external.examination import Facts, Lack, Needs
from edge_lab.machines.external.hosts import external_of, trust
from edge_lab.machines.shell import GuestShell
from edge_lab.machines.ssh import SshClient, Unreachable
from edge_lab.topology import Node

SHORT_SECONDS = 60.0
ENTER_SECONDS = 120.0
"""To read its host key and log in, once its server answers: it may be slow."""

_HOPELESS = re.compile(
    r"Host key verification failed|Permission denied|REMOTE HOST IDENTIFICATION|no such identity|"
    r"bad permissions|invalid format|No .* host key is known|Could not resolve hostname"
)
_WORDS_OF_A_CONNECTION = 4
"""SSH_CONNECTION has the address and port of the client, and those of the server."""


@dataclass(frozen=True)
class Entrance:
    node: Node
    run: RunDir
    client: SshClient
    shell: GuestShell
    clock: ShellClock

    def wait_in(self, answer: Deadline, deadline: Deadline, watch: Callable[[], None]) -> None:
        """Waits until a login succeeds; its server must answer before `answer`.

        Raises:
            InputError: retrying cannot help: another host key, or a key that it refuses.
            LabError: it does not answer.
        """
        external = external_of(self.node)
        at = f"{external.address} port {external.port}"
        answer.wait_for(
            f"{self.node.name} answers to SSH at {at}", self.shell.answers, every=0.5, watch=watch
        )
        limit = deadline.within(ENTER_SECONDS)
        limit.wait_for(
            f"{self.node.name} presents its host key",
            lambda: trust(self.node, self.run.keys, limit),
            every=1.0,
            transient=(LabError,),
            watch=watch,
        )
        limit.wait_for(
            f"login to {self.node.name} at {at}",
            lambda: self._let_in(limit),
            every=1.0,
            transient=(Unreachable,),
            watch=watch,
        )

    def _let_in(self, deadline: Deadline) -> bool:
        try:
            self.client.call("true", deadline.within(SHORT_SECONDS), as_user=True)
        except Unreachable as trouble:
            if _HOPELESS.search(trouble.message):
                external = external_of(self.node)
                raise InputError(
                    trouble.message,
                    remedy=f"Try it by hand: ssh -p {external.port} -i {external.key} "
                    f"-o IdentitiesOnly=yes {external.user}@{external.address}. A key with a "
                    "passphrase cannot be used.",
                ) from trouble
            raise
        return True

    def examine(self, needs: Needs, deadline: Deadline) -> tuple[tuple[Lack, ...], Facts]:
        """The missing requirements, and the facts about the machine; changes nothing."""
        told = self.client.call(
            f'echo "$SSH_CONNECTION"; {"sudo -n true" if self.client.becomes_root else "true"}',
            deadline.within(SHORT_SECONDS),
            as_user=True,
        )
        if told.returncode:
            user = external_of(self.node).user
            said = told.stderr.decode(errors="replace").strip() or "no answer"
            lack = Lack(
                f"{user} cannot use sudo without a password ({said})",
                f"Add, as root, a file in /etc/sudoers.d: {user} ALL=(ALL) NOPASSWD: ALL",
            )
            return (lack,), Facts()
        words = told.stdout.decode(errors="replace").split()
        way = words[2] if len(words) == _WORDS_OF_A_CONNECTION else ""
        shown = self.shell.run(examination.look(needs), deadline.within(SHORT_SECONDS))
        facts = Facts.parse(shown.stdout)
        lacks = examination.lacks_of(needs, facts, self.run.lab, way)
        return (*lacks, *self._wrong_clock(deadline)), facts

    def _wrong_clock(self, deadline: Deadline) -> Iterator[Lack]:
        offset = self.clock.clock_offset(deadline)
        if not offset.fits(examination.CLOCK_SECONDS):
            yield Lack(
                f"its clock is {offset.seconds:+.1f} s off this host's: certificates may fail",
                "Synchronize it by NTP, or set it with date -s.",
            )
