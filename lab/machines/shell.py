"""Commands, files, journal and units of a guest, over SSH."""

from __future__ import annotations

import shlex
import subprocess
from typing import Any

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.machines.console import ConsoleLog, Fatal
from edge_lab.machines.ssh import CommandResult, SshClient, Unreachable
from edge_lab.provisioning.provision import GuestFile


class GuestShell:
    """The `GuestAccess` of a machine, by a shell over SSH."""

    def __init__(self, run_dir: RunDir, client: SshClient, console: ConsoleLog) -> None:
        self.name = client.node
        self._run_dir = run_dir
        self._console = console
        self._ssh = client

    # -- Connection ----------------------------------------------------------------------

    def answers(self) -> bool:
        """Whether its SSH server sends its banner within two seconds."""
        return self._ssh.answers()

    def disconnect(self) -> None:
        """Ends all connections, before the guest is switched off or restarted."""
        self._ssh.disconnect()

    # -- Commands ------------------------------------------------------------------------

    def run(
        self, command: str, deadline: Deadline | None = None, check: bool = True
    ) -> CommandResult:
        """Runs a shell command as root over the management path.

        The default limit is a minute.  With `check`, an exit code other than 0 is a LabError with
        the output of the command.
        """
        done = self._ssh.call(command, deadline or Deadline.scaled(60))
        result = CommandResult(
            command,
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )
        if check and not result.ok:
            said = (result.stderr or result.stdout).strip()[-2000:]
            raise LabError(
                f"{self.name}: `{command}` failed with exit status {result.returncode}: {said}"
            )
        return result

    def stream(self, command: str, deadline: Deadline) -> subprocess.Popen[bytes]:
        """Starts a shell command whose output is read while it runs; the caller ends it.

        The deadline is for the connection.
        """
        return self._ssh.stream(command, deadline)

    def testinfra(self) -> Any:
        """The testinfra host of this machine, over the same connection."""
        import testinfra

        sudo = "&sudo=true" if self._ssh.becomes_root else ""
        return testinfra.get_host(f"ssh://{self.name}?ssh_config={self._run_dir.ssh_config}{sudo}")

    # -- Files ---------------------------------------------------------------------------

    def read(self, path: str, deadline: Deadline | None = None) -> bytes:
        """The content of a file in the guest."""
        done = self._ssh.call(f"cat -- {shlex.quote(path)}", deadline or Deadline.scaled(60))
        if done.returncode:
            raise LabError(f"{self.name}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def write(self, file: GuestFile, deadline: Deadline | None = None) -> None:
        """Writes a file in the running guest atomically; creates its folder.

        It does not survive a reboot if the seed disk has a file at that path.
        """
        path, draft = shlex.quote(file.path), shlex.quote(f"{file.path}.edge-lab")
        folder = shlex.quote(file.path.rpartition("/")[0] or "/")
        command = (
            f"set -e; mkdir -p -- {folder}; umask 077; cat > {draft}; "
            f"chmod {file.mode:o} {draft}; mv -f -- {draft} {path}"
        )
        done = self._ssh.call(command, deadline or Deadline.scaled(60), stdin=file.content)
        if done.returncode:
            raise LabError(
                f"{self.name}: cannot write {file.path}: "
                f"{done.stderr.decode(errors='replace').strip()}"
            )

    # -- systemd -------------------------------------------------------------------------

    def journal(
        self, unit: str | None = None, *, lines: int = 200, deadline: Deadline | None = None
    ) -> str:
        """The last lines of the guest's journal, or of one unit's part of it."""
        only = f" -u {shlex.quote(unit)}" if unit else ""
        command = f"journalctl --no-pager -o short-precise -n {lines}{only}"
        return self.run(command, deadline, check=False).stdout.rstrip()

    def wait_unit(self, unit: str, deadline: Deadline) -> None:
        """Waits until a systemd unit is active; LabError immediately if it has failed."""
        show = f"systemctl show -p LoadState,ActiveState,SubState,Result {shlex.quote(unit)}"

        def active() -> bool:
            lines = self.run(show, deadline).stdout.splitlines()
            now = dict(line.split("=", 1) for line in lines if "=" in line)
            if now.get("LoadState") == "not-found":
                raise LabError(f"{self.name} has no unit {unit}")
            if now.get("ActiveState") == "failed":
                raise LabError(
                    f"{self.name}: {unit} has failed ({now.get('Result')}):\n"
                    f"{self.journal(unit, lines=25)}"
                )
            return now.get("ActiveState") == "active"

        mark = self._console.mark()
        deadline.wait_for(
            f"{self.name}: {unit} is active",
            active,
            every=1.0,
            transient=(Unreachable,),
            watch=lambda: self._console.check(mark, frozenset({Fatal.PANIC})),
        )
