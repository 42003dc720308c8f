"""What systemd of a node says of a unit that is not installed there."""

from __future__ import annotations

import shlex

from edge_lab.fixtures.nodes import LabNode


def complaints(node: LabNode, unit: str, text: str, program: str) -> str:
    """systemd's messages about the unit, with a stub instead of the program that it starts."""
    folder = f"/run/edge-lab-verify-{unit}"
    text = text.replace(program, f"{folder}/program")
    script = (
        f"set -e; mkdir -p {folder}; trap 'rm -r {folder}' EXIT; cd {folder}; "
        f"printf '#!/bin/sh\\n' > program; chmod 755 program; "
        f"printf %s {shlex.quote(text)} > {unit}; "
        # Only messages about this unit: there may be some about others.
        f"systemd-analyze verify --man=no ./{unit} 2>&1 | grep -F {unit} || true"
    )
    return node.output(script)
