"""A folder that stands for an image: suites against the lab without a machine, and their matrix."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from tests.conftest import LABS
from tests.fixtures.runs import CONFTEST, HERE, TOPOLOGY

RAN = "ran.log"
NOTE = """
import pathlib
from edge_lab.core.errors import LabError

RAN = pathlib.Path("LOG")

def note(name):
    with RAN.open("a") as log:
        log.write(name + "\\n")
"""
WAITS = """
import time

def test_it(lab):
    note("{name}")
    while RAN.read_text().splitlines().count("{name}") <= {runs}:
        time.sleep(0.5)
"""
"""Waits without end in its first runs."""
SUITES = {
    "passes": """
def test_it(lab):
    note("passes")
""",
    "fails": """
def test_it(lab):
    note("fails")
    assert lab is None
""",
    "breaks": """
def test_it(lab):
    note("breaks")
    raise LabError("the wire is gone")
""",
    "recovers": """
def test_it(lab):
    again = "recovers" in RAN.read_text().splitlines() if RAN.exists() else False
    note("recovers")
    if not again:
        raise LabError("the machine did not boot")
""",
    "deleted": WAITS.format(name="deleted", runs=1),
    "evicted": WAITS.format(name="evicted", runs=2),
    "hungry": """
def test_it(lab):
    again = RAN.exists()
    note("hungry")
    assert again or len(b"x" * (800 << 20)) == 0
""",
    "privileged": """
import subprocess
import sys

NAMESPACES = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x10000000 | 0x40000000))"

def test_it(lab):
    note("privileged")
    with open("/dev/net/tun", "r+b", buffering=0):
        pass
    subprocess.run([sys.executable, "-c", NAMESPACES], check=True)
""",
}
"""One test each: what a shard with it does. `hungry` takes much memory in its first run, and
`privileged` makes a user and a network namespace."""
EXPECTED = {"passes": 1, "fails": 1, "breaks": 2, "recovers": 2}
"""How often each is to run."""
CODES = {"passes": 0, "fails": 1, "breaks": 10, "recovers": 0}
MATRIX = """\
name: small
stacks: [kubernetes+kubelet]
topologies: [labs/minimal.yaml]
suites: [SUITES]
# One file each.
shard: {longest: 301s, start: 1s, unmeasured: 300s}
cluster:
  image: registry.example.org/edge-lab:0.1.0
  results: {host-path: RESULTS}
  cpus: 1
"""


def make_image(folder: Path, *, log: Path | None = None, fixtures: Path = HERE) -> Path:
    """The folder, with labs and suites.

    `log` is where tests note that they ran, by default in the folder, and `fixtures` is where that
    of this repository will be.
    """
    (folder / "suites").mkdir(parents=True)
    (folder / "labs").mkdir()
    shutil.copy(LABS / "minimal.yaml", folder / "labs")
    conftest = CONFTEST.replace("BREAKS", "False").replace(str(TOPOLOGY), "labs/minimal.yaml")
    assert str(HERE) in conftest
    (folder / "conftest.py").write_text(conftest.replace(str(HERE), str(fixtures)))
    note = NOTE.replace("LOG", str(log or folder / RAN))
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    for name, text in SUITES.items():
        (folder / "suites" / f"test_{name}.py").write_text(note + text)
    return folder


def write_matrix(image: Path, *suites: str, results: Path = Path("/results")) -> Path:
    """A matrix of these suites, a shard each."""
    files = ", ".join(f"suites/test_{name}.py" for name in suites)
    file = image / "matrix.yaml"
    file.write_text(MATRIX.replace("SUITES", files).replace("RESULTS", str(results)))
    return file


def runs(folder: Path) -> dict[str, int]:
    """How often each test ran, by the log in `folder`."""
    log = folder / RAN
    return dict(Counter(log.read_text().splitlines())) if log.exists() else {}
