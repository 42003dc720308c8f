"""The command must start quickly: the client is imported by whoever asks a cluster."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


@pytest.mark.parametrize(
    ("module", "loaded"),
    [("edge_lab.cli", False), ("edge_lab.bringup", False), ("edge_lab.cluster.client", True)],
)
def test_only_who_asks_a_cluster_imports_the_client(module: str, loaded: bool) -> None:
    said = subprocess.check_output([sys.executable, "-c", f"import {module}; {LOADED}"], text=True)
    assert ("lightkube" in said.split()) is loaded
    assert ("httpx2" in said.split()) is loaded
