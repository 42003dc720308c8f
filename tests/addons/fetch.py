"""Programs of Debian's packages for this machine, of the suites of root images, in build/debian:
`python -m tests.addons.metrics.fetch` and `python -m tests.addons.functions.fetch`.

By an apt with folders of its own: nothing is installed, and the host's lists stay as they are.
Packages are verified by the suite's signature, as always.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edge_lab.artifacts.debianmirror import debian_mirror
from edge_lab.images.recipe import load_recipe

FOLDER = Path(__file__).parents[2] / "build" / "debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def suites() -> tuple[str, ...]:
    """Those of root images."""
    recipes = load_recipe().architectures.values()
    return tuple(sorted({recipe.suite for recipe in recipes}))


def fetch(suite: str, packages: Sequence[str]) -> None:
    """Downloads and extracts packages into `FOLDER`/suite."""
    folder = FOLDER / suite
    for part in ("apt/lists/partial", "apt/cache/archives/partial", "debs"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    mirror = debian_mirror(load_recipe().mirror)
    (folder / "apt/sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror} {suite} main\n")
    settings = {
        "Dir::State::Lists": str(folder / "apt/lists"),
        "Dir::State::status": "/dev/null",
        "Dir::Cache": str(folder / "apt/cache"),
        "Dir::Etc::SourceList": str(folder / "apt/sources.list"),
        "Dir::Etc::SourceParts": "/dev/null",
        "APT::Sandbox::User": "root",
        "Acquire::Check-Valid-Until": "false",
        "Acquire::Languages": "none",
    }
    lines = [f'{name} "{value}";' for name, value in settings.items()]
    (folder / "apt/apt.conf").write_text("\n".join([*lines, ""]))
    env = {**os.environ, "APT_CONFIG": str(folder / "apt/apt.conf")}
    subprocess.run(["apt-get", "--quiet=2", "update"], env=env, check=True)
    subprocess.run(
        ["apt-get", "--quiet=2", "download", *packages], env=env, check=True, cwd=folder / "debs"
    )
    for name in packages:
        for file in (folder / "debs").glob(f"{name}_*.deb"):
            subprocess.run(["dpkg-deb", "--extract", str(file), str(folder)], check=True)
