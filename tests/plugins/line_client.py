"""Asks a device that speaks acme-line once; prints the line as JSON."""

from __future__ import annotations

import json
import socket
import sys

with socket.create_connection((sys.argv[1], 7000), timeout=20) as line:
    line.sendall(b"?\n")
    with line.makefile() as answers:
        print(json.dumps(answers.readline().strip()))
