"""Makes the page. The generator is installed into the cache once for each digest of its lock
file."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from filelock import FileLock

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.home import MARKER, cache_home
from edge_lab.core.step import step

HERE = Path(__file__).resolve().parent
NODE_AT_LEAST = (20, 19)
"""Required by the generator's dependencies (chokidar and readdirp: node >= 20.19)."""

_MANIFEST = ("package.json", "package-lock.json")
_CONFIG = "allurerc.mjs"


def make_page(results: Path, output: Path, deadline: Deadline) -> Path:
    """Writes the page for the Allure results in `results` to `output`, and returns its path.

    Earlier runs' outcomes are kept in the cache and shown as each test's history.

    Raises:
        InputError: there are no results, or `output` contains something other than a report.
        LabError: no suitable Node.js, or the generator failed; the message has its output.
    """
    if not any(results.glob("*-result.json")):
        raise InputError(
            f"no Allure results in {results}",
            remedy=f"Run the tests first: make test, or pytest --alluredir={results}",
        )
    _require_node(deadline)
    require_page_folder(output)
    tool = _installed(deadline)
    shutil.rmtree(output, ignore_errors=True)
    with step("report"):
        said = _run(
            [
                str(tool / "node_modules" / ".bin" / "allure"),
                "generate",
                f"--config={tool / _CONFIG}",
                str(results.resolve()),
            ],
            tool,
            deadline,
            {
                "EDGE_LAB_RESULTS": str(results.resolve()),
                "EDGE_LAB_REPORT": str(output.resolve()),
                "EDGE_LAB_REPORT_HISTORY": str(cache_home() / "report" / "history.jsonl"),
            },
        )
    page = output / "index.html"
    if not page.is_file():
        raise LabError(f"the report generator wrote no {page}: {said.strip()}")
    (output / MARKER).touch()
    return page


def require_page_folder(output: Path) -> None:
    """InputError unless the page may replace `output`: it is missing, empty, or a page of ours."""
    if not os.path.lexists(output) or (output / MARKER).is_file():
        return
    if output.is_symlink() or not output.is_dir() or any(output.iterdir()):
        raise InputError(
            f"{output} is not a report and would be overwritten",
            remedy="Use a folder that does not exist, or remove this one first.",
        )


def _require_node(deadline: Deadline) -> None:
    wanted = ".".join(map(str, NODE_AT_LEAST))
    remedy = f"Install Node.js {wanted} or newer with npm; only the report needs it."
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise LabError("node and npm are not installed", remedy=remedy)
    said = _run(["node", "--version"], HERE, deadline)
    if node_version(said) < NODE_AT_LEAST:
        raise LabError(f"Node.js is {said.strip()}, and the report needs {wanted}", remedy=remedy)


def node_version(said: str) -> tuple[int, int]:
    """Major and minor version from the output of `node --version`, such as v20.19.4."""
    found = re.match(r"v?(\d+)\.(\d+)", said.strip())
    if not found:
        raise LabError(f"cannot read the version of Node.js from {said.strip()!r}")
    return int(found[1]), int(found[2])


def _installed(deadline: Deadline) -> Path:
    """The folder of the generator, installed from the lock file if it is missing."""
    parts = [(HERE / name).read_bytes() for name in (*_MANIFEST, _CONFIG)]
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    root = cache_home() / "report"
    root.mkdir(exist_ok=True)
    tool = root / digest
    with FileLock(root / "install.lock"):
        if tool.is_dir():
            return tool
        making = root / f"{digest}.part"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        for name in (*_MANIFEST, _CONFIG):
            shutil.copy(HERE / name, making)
        with step("install the report generator"):
            options = ["--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"]
            _run(["npm", "ci", *options], making, deadline)
        making.rename(tool)
    return tool


def _run(
    argv: Sequence[str], folder: Path, deadline: Deadline, more: Mapping[str, str] | None = None
) -> str:
    try:
        done = subprocess.run(
            list(argv),
            cwd=folder,
            env={**os.environ, **(more or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=max(deadline.remaining, 0.1),
            check=False,
        )
    except subprocess.TimeoutExpired as trouble:
        raise LabError(f"{argv[0]} did not end within {deadline.total:.0f} s") from trouble
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(argv[:2])} failed with exit code {done.returncode}: {said}")
    return done.stdout or done.stderr
