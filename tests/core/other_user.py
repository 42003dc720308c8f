"""Tries, as another local user, to reach files and sockets; a JSON list of the paths reached.

    python3 other_user.py PATH …

Standard library only: another user's Python runs it.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
from pathlib import Path


def is_reached(path: str) -> bool:
    """Whether a file can be read or written, a folder listed, a socket connected to."""
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISSOCK(mode):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(path)
        elif stat.S_ISDIR(mode):
            list(Path(path).iterdir())
        else:
            os.close(os.open(path, os.O_RDONLY))
    except PermissionError:
        return False
    return True


if __name__ == "__main__":
    print(json.dumps([path for path in sys.argv[1:] if is_reached(path)]))
