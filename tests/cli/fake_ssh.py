"""Stands in for `ssh` and for the sshd at its other end: the command runs here, with pipes.

As sshd does it: a session of its own, no terminal, and pipes whose other ends are closed when
the client is gone.  No shared connection: a master ends at once, which is no error.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import IO


def main(arguments: list[str]) -> int:
    if "--" not in arguments:
        return 255
    command = arguments[arguments.index("--") + 1]
    home = os.environ["FAKE_SSH_HOME"]
    child = subprocess.Popen(
        ["bash", "-c", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=home,
        env={**os.environ, "HOME": home, "SHELL": "/bin/bash"},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    threading.Thread(target=pump, args=(sys.stdin.buffer, child.stdin), daemon=True).start()
    out = threading.Thread(target=pump, args=(child.stdout, sys.stdout.buffer))
    err = threading.Thread(target=pump, args=(child.stderr, sys.stderr.buffer))
    out.start()
    err.start()
    out.join()
    err.join()
    code = child.wait()
    return code if code >= 0 else 255


def pump(source: IO[bytes], sink: IO[bytes]) -> None:
    try:
        while piece := os.read(source.fileno(), 65536):
            view = memoryview(piece)
            while view:
                view = view[os.write(sink.fileno(), view) :]
    except OSError:
        pass
    finally:
        sink.close()
        source.close()


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # without a look at streams that are closed
