"""The image that was built from images/edge-lab/Containerfile, with suites of a test.

The environment variable LAB_TEST_IMAGE has its name in podman's storage. Without it, tests run
shards in an image of copies, which needs no builder (shardimage.py).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from tests.conftest import ROOT
from tests.matrix.shardimage import IMAGE

VARIABLE = "LAB_TEST_IMAGE"
SECONDS = 900.0
"""To copy its layers, which are gigabytes."""
WITH_SUITES = "localhost/edge-lab-test-suites:{pid}"


def built_image() -> str | None:
    """The name of the image; None if none was given."""
    return os.environ.get(VARIABLE) or None


def write_built_image(base: str, target: Path, folder: Path) -> None:
    """An archive of `base` with the content of `folder` in its working folder, by the name of the
    shards' image.

    Raises:
        InputError: podman has no such image, or cannot add the suites.
    """
    shutil.copytree(ROOT / "tests" / "fixtures", folder / "tests" / "fixtures")
    recipe = folder.with_name("Containerfile")
    recipe.write_text(f"FROM {base}\nCOPY . ./\n")
    limit, name = Deadline.scaled(SECONDS), WITH_SUITES.format(pid=os.getpid())
    _podman(
        *("build", "--quiet", "--pull=never", "--network=none"),
        *(f"--file={recipe}", f"--tag={name}", str(folder)),
        deadline=limit,
    )
    try:
        _podman("push", "--quiet", name, f"docker-archive:{target}:{IMAGE}", deadline=limit)
    finally:
        _podman("rmi", "--force", name, deadline=limit)


def _podman(*words: str, deadline: Deadline) -> None:
    command = ["podman", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=deadline.remaining)
    except FileNotFoundError as missing:
        raise InputError(
            f"{VARIABLE} is set, and podman is not installed",
            remedy="apt-get install podman, or unset the variable.",
        ) from missing
    if done.returncode != 0:
        raise InputError(
            f"{' '.join(command)}: {done.stderr.strip()}",
            remedy=f"Build the image that {VARIABLE} names, or unset the variable.",
        )
