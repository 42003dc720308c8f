"""Commands in a guest that end with the client that started them.

Without a terminal, sshd leaves a command running when its client is gone: the command notices
only when it reads or writes.  So a watcher runs beside it: `tail -f`, which writes nothing, and
which ends with SIGPIPE when its standard output has no reader.  sshd closes that pipe as soon as
the client's end of the channel is closed, however the client ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError, LabError
from edge_lab.machines.ssh import LOGIN_SECONDS, UNREACHABLE, SshClient

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None, use_errno=True)
_END_SECONDS = 5.0
"""Seconds for a client to restore the terminal and exit after a signal."""

GRACE_SECONDS = 3
"""Seconds between SIGHUP and SIGKILL for a command whose client is gone."""

# $0 is the process group of the command: sshd starts a session for it.
_WATCH = f"""\
tail -f /dev/null
[ $? = 141 ] || exit 0
kill -s HUP -- "-$0"
for second in {" ".join(map(str, range(GRACE_SECONDS)))}; do
    sleep 1
    kill -s 0 -- "-$0" || exit 0
done
kill -s KILL -- "-$0"
"""

# The watcher has its own process group, and is killed both by its pid, in case the group does not
# exist yet, and by the group.  Messages of the shell about killed children are not output.
_ATTEND = """\
setsid sh -c {watch} $$ </dev/null 2>/dev/null &
watch=$!
{{ "${{SHELL:-/bin/sh}}" -c {line} 2>&3 3>&-; }} 3>&2 2>/dev/null
code=$?
exec 2>/dev/null
kill -s KILL -- "$watch" "-$watch"
exit "$code"
"""

# With a terminal, Ctrl-C goes to the command, and its exit code is returned.
_ON_TTY = """\
trap : INT QUIT
"${{SHELL:-/bin/sh}}" -c {line}
exit $?
"""


def attended(line: str) -> str:
    """A shell command that runs the shell command `line`, and ends it with its client.

    Streams and exit code are those of the command; 128 + N if it was killed by signal N.
    Processes that the command put into another session, or that outlive it, are left running.
    """
    return _ATTEND.format(watch=shlex.quote(_WATCH), line=shlex.quote(line))


def run_attended(
    client: SshClient, line: str, *, tty: bool = False, limit: Deadline | None = None
) -> int:
    """Runs a shell command with this process's own streams; returns its exit code.

    The command ends with this process. With a `tty`, which the guest hangs up, there is no watcher.

    Raises:
        InputError: the command is too long.
        DeadlineExceeded: it did not finish within `limit`, and was ended.
        Unreachable: there is no connection, or it broke.
    """
    script = _ON_TTY.format(line=shlex.quote(line)) if tty else attended(line)
    argv = client.command_line(script, Deadline.scaled(LOGIN_SECONDS), tty=tty)
    with started(argv) as process:
        try:
            code = process.wait(limit.remaining if limit else None)
        except subprocess.TimeoutExpired as late:
            raise DeadlineExceeded(
                f"the command did not finish within {limit.total if limit else 0:.0f} s"
            ) from late
    if code == UNREACHABLE:
        client.require_connection()
    return code if code >= 0 else 128 - code


@contextlib.contextmanager
def started(
    argv: Sequence[str],
    *,
    stdin: int | IO[bytes] | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs within the block, and always ends together with this one."""
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=_ends_with(os.getpid()),
        )
    except OSError as trouble:
        if trouble.errno == errno.E2BIG:
            raise InputError(
                "the command is too long",
                remedy="Copy a script to the node with `lab cp` and run that.",
            ) from trouble
        raise LabError(f"cannot run {argv[0]}: {trouble.strerror}") from trouble
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(Deadline.scaled(_END_SECONDS).remaining)
            process.kill()
            process.wait()


def _ends_with(parent: int) -> Callable[[], None]:
    """For a child between fork and exec: the kernel sends it SIGTERM when `parent` dies."""

    def arrange() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died earlier
            os._exit(UNREACHABLE)

    return arrange
