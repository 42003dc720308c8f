"""kubectl with another identity: a temporary kubeconfig with a certificate."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.probes.access_reviews import CanI


@contextlib.contextmanager
def kubectl_as(binary: Path, kubeconfig: str, deadline: Deadline) -> Iterator[CanI]:
    """Runs `binary` with the text of a kubeconfig."""
    with tempfile.TemporaryDirectory(prefix="edge-lab-kubectl-") as folder:
        config = Path(folder, "kubeconfig")
        config.write_text(kubeconfig)

        def run(arguments: Sequence[str]) -> str:
            try:
                done = subprocess.run(
                    [
                        str(binary),
                        f"--kubeconfig={config}",
                        f"--cache-dir={folder}/cache",
                        *arguments,
                    ],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    env={**os.environ, "KUBERC": "off", "NO_PROXY": "127.0.0.1"},
                    timeout=deadline.remaining,
                    check=False,
                )
            except subprocess.TimeoutExpired as late:
                raise DeadlineExceeded(f"kubectl: no answer in {deadline.total:.0f} s") from late
            if not done.stdout.strip():
                raise LabError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
            return done.stdout

        yield run
