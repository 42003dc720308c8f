"""OpenSSH to the machines: one ssh_config per lab, one shared connection per machine.

The lab, testinfra and users (with `ssh -F`) use the same file.  The shared connection is a
process of the lab (with its mark), so that it ends with the lab.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.core.home import RunDir
from edge_lab.core.process import marked_environment, spawn
from edge_lab.machines.guest import GuestSpec
from edge_lab.machines.keys import LabKeys
from edge_lab.machines.sshbanner import PATIENCE, SshBanner

LOGIN_SECONDS = 60
"""Seconds for a login: an emulated CPU that boots beside others needs half of it."""

LEAVE_SECONDS = 5.0
"""Seconds for the end of the shared connection."""

UNREACHABLE = 255
"""ssh's own exit code when the connection failed."""


class Unreachable(LabError):
    """SSH got no answer from the machine."""


@dataclass(frozen=True)
class CommandResult:
    """The result of a command in a guest."""

    command: str
    returncode: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.returncode == 0


@dataclass(frozen=True)
class SshHost:
    """A machine that is not reached by a port that the lab forwards."""

    name: str
    """Of the node."""
    host: str
    port: int
    user: str
    key: Path
    """Private key of the user."""
    known_hosts: Path
    """The known_hosts file with its host key, under the node's name."""

    @property
    def becomes_root(self) -> bool:
        """Whether commands run as root by sudo."""
        return self.user != "root"


def control_path(run: RunDir, node: str) -> Path:
    """Deliberately short: ssh adds 17 characters while it creates the socket."""
    return run.short / "s" / node


def ssh_config(run: RunDir, specs: Sequence[GuestSpec], others: Sequence[SshHost] = ()) -> str:
    """The text of the lab's ssh_config: one Host per machine, and common settings."""
    keys = LabKeys(run.keys)
    parts = [
        f"Host {spec.name}\n"
        "    HostName 127.0.0.1\n"
        f"    Port {spec.ssh_port}\n"
        f"    HostKeyAlias {spec.name}\n"
        f"    ControlPath {_quoted(control_path(run, spec.name))}\n"
        f"    IdentityFile {_quoted(keys.client_path)}\n"
        for spec in specs
    ]
    parts += [
        f"Host {other.name}\n"
        f"    HostName {other.host}\n"
        f"    Port {other.port}\n"
        f"    User {other.user}\n"
        f"    HostKeyAlias {other.name}\n"
        f"    ControlPath {_quoted(control_path(run, other.name))}\n"
        f"    IdentityFile {_quoted(other.key)}\n"
        f"    UserKnownHostsFile {_quoted(other.known_hosts)}\n"
        # All that the server supports, but preferably the one that is fast on an emulated CPU.
        "    KexAlgorithms ^curve25519-sha256\n"
        for other in others
    ]
    parts.append(
        "Host *\n"
        "    User root\n"
        f"    UserKnownHostsFile {_quoted(run.keys / 'known_hosts')}\n"
        "    GlobalKnownHostsFile /dev/null\n"
        "    IdentitiesOnly yes\n"
        "    IdentityAgent none\n"
        "    StrictHostKeyChecking yes\n"
        "    UpdateHostKeys no\n"
        "    CheckHostIP no\n"
        "    BatchMode yes\n"
        # The default adds a post-quantum key exchange, which takes a second on an emulated CPU.
        "    KexAlgorithms curve25519-sha256\n"
        "    ForwardAgent no\n"
        "    ForwardX11 no\n"
        # Connections use the lab's shared one, and never start a master themselves.
        "    ControlMaster no\n"
        f"    ConnectTimeout {LOGIN_SECONDS}\n"
        "    ServerAliveInterval 15\n"
        "    ServerAliveCountMax 8\n"
        "    LogLevel ERROR\n"
    )
    return "\n".join(parts)


def _quoted(path: Path) -> str:
    # In ssh_config, % begins a token.
    return '"' + str(path).replace("%", "%%") + '"'


def write_ssh_config(
    run: RunDir, specs: Sequence[GuestSpec], others: Sequence[SshHost] = ()
) -> None:
    """Writes ssh_config and known_hosts of the lab; creates missing keys."""
    keys = LabKeys(run.keys)
    _ = keys.client
    (run.path / "s").mkdir(parents=True, exist_ok=True, mode=0o700)
    known = "".join(f"{spec.name} {keys.host(spec.name).public}\n" for spec in specs)
    (run.keys / "known_hosts").write_text(known)
    run.ssh_config.write_text(ssh_config(run, specs, others))


class SshClient:
    """Commands in one machine, over the lab's ssh_config.

    Its server listens on `host` and `port`; with `become_root` commands run as root by sudo.
    """

    def __init__(
        self,
        run: RunDir,
        node: str,
        port: int,
        host: str = "127.0.0.1",
        *,
        become_root: bool = False,
    ) -> None:
        self._run = run
        self._node = node
        self._become_root = become_root
        self._master: subprocess.Popen[bytes] | None = None
        self._banner = SshBanner(port, host)
        self._joining = threading.Lock()

    @classmethod
    def to(cls, run: RunDir, host: SshHost) -> SshClient:
        """A client of a machine that is not reached by a forwarded port."""
        return cls(run, host.name, host.port, host.host, become_root=host.becomes_root)

    @property
    def node(self) -> str:
        return self._node

    @property
    def becomes_root(self) -> bool:
        return self._become_root

    @property
    def _socket(self) -> Path:
        return control_path(self._run, self._node)

    def _ssh(self, *args: str) -> list[str]:
        return ["ssh", "-F", str(self._run.ssh_config), *args]

    def answers(self, patience: float = PATIENCE) -> bool:
        """Whether the banner of an SSH server arrives on the port within `patience` seconds.

        Cheaper for an emulated guest than a login, so it is used while the guest boots.
        """
        return self._banner.comes(patience)

    def call(
        self,
        command: str,
        deadline: Deadline,
        *,
        stdin: bytes | None = None,
        as_user: bool = False,
    ) -> subprocess.CompletedProcess[bytes]:
        """Runs a shell command as root, or `as_user` that logs in.

        Raises:
            Unreachable: there is no connection.
        """
        self._join(deadline)
        deadline.check(f"{self._node}: {_brief(command)}")
        try:
            line = command if as_user else self._as_root(command)
            done = subprocess.run(
                self._ssh("-T", self._node, "--", line),
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                timeout=deadline.remaining,
                env=marked_environment(self._run.path),
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise DeadlineExceeded(
                f"{self._node}: `{_brief(command)}` did not finish within {deadline.total:.0f} s"
            ) from late
        if done.returncode == UNREACHABLE:
            said = done.stderr.decode(errors="replace").strip()
            raise Unreachable(f"{self._node} does not answer to SSH: {said}")
        return done

    def stream(self, command: str, deadline: Deadline) -> subprocess.Popen[bytes]:
        """Starts a command whose output is read while it runs.

        It ends with the shared connection, also by a reboot; otherwise the caller must end it.
        """
        # A login takes ten seconds or more on an emulated CPU.
        self._join(deadline)
        return subprocess.Popen(
            self._ssh("-T", self._node, "--", self._as_root(command)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=marked_environment(self._run.path),
        )

    def command_line(self, command: str, deadline: Deadline, *, tty: bool = False) -> list[str]:
        """The program that runs a shell command over the shared connection, and its arguments.

        For callers with their own streams; its exit code is 255 without a connection.
        """
        self._join(deadline)
        return self._ssh("-t" if tty else "-T", self._node, "--", self._as_root(command, tty=tty))

    def _as_root(self, command: str, *, tty: bool = False) -> str:
        if not self._become_root:
            return command
        # As sshd does for root: a separate process group, which can be ended as a whole.
        apart = "" if tty else "setsid --wait "
        return f"sudo -n -H -- {apart}bash -c {shlex.quote(command)}"

    def require_connection(self) -> None:
        """Raises Unreachable if the connection is lost and the machine does not answer again."""
        if not (self._alive() or self.answers()):
            raise Unreachable(f"{self._node} does not answer to SSH")

    def _join(self, deadline: Deadline) -> None:
        """Opens the shared connection if needed; a failure is not an error, only slower."""
        with self._joining:
            if not (self._socket.exists() and self._alive()):
                self._leave()
                self._open(deadline)

    def _open(self, deadline: Deadline) -> None:
        self._run.link()
        self._socket.parent.mkdir(exist_ok=True, mode=0o700)
        master = spawn(
            self._ssh("-M", "-N", "-T", self._node),
            run=self._run.path,
            log=self._run.logs / f"ssh-{self._node}.log",
        )
        self._master = master
        with contextlib.suppress(DeadlineExceeded):
            deadline.within(LOGIN_SECONDS).wait_for(
                "ssh connection",
                lambda: self._socket.exists() or master.poll() is not None,
                every=0.05,
            )

    def _alive(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(os.fsencode(self._socket))
            return True
        return False

    def disconnect(self) -> None:
        """Ends all connections, before the guest is switched off or restarted."""
        self._banner.forget()
        self._leave()

    def _leave(self) -> None:
        if self._socket.exists():
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run(
                    self._ssh("-O", "exit", self._node),
                    capture_output=True,
                    timeout=Deadline.scaled(LEAVE_SECONDS).remaining,
                    check=False,
                )
            self._socket.unlink(missing_ok=True)
        if self._master is not None:
            self._master.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._master.wait(Deadline.scaled(LEAVE_SECONDS).remaining)
            self._master = None


def _brief(command: str) -> str:
    first = command.strip().partition("\n")[0]
    return first if len(first) <= 80 else first[:77] + "…"
