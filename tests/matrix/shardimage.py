"""An image that runs shards: Python, edge-lab with its requirements, and suites, copied from this
host.

In place of the one that images/edge-lab/Containerfile describes, which needs a builder and a
registry (builtimage.py). The programs and the entry point are as there.
"""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import pytest
from packaging.requirements import Requirement

from edge_lab.artifacts import host_arch
from edge_lab.images.layout import Descriptor, Layout, open_tar, put, put_file, put_link
from edge_lab.images.oci import EDGE_PROGRAM, PAUSE, load_image_recipe
from tests.conftest import ROOT
from tests.matrix.kubelet import LAB
from tests.probes.api_server import CACHE, program

IMAGE = "registry.example.org/edge-lab:0.1.0"
INIT = Path("/usr/bin/tini-static")
FOLDER = "edge-lab"
"""The working folder, below the root of the image."""
PACKAGES = "opt/edge-lab"
SOURCES = {
    "lab": "src/edge_lab",
    **{name: f"src/edge_lab/data/{name}" for name in ("images", "labs", "plans")},
    "fixtures": "src/edge_lab/fixtures",
    "tests/fixtures": "tests/fixtures",
}
"""Folders of this repository, each with its folder in the image. Some are links here."""
ENTRY = f"""#!/bin/sh
cd /{FOLDER}
export PYTHONPATH=/{PACKAGES}:/{FOLDER}/src PYTHONDONTWRITEBYTECODE=1
exec /bin/tini -- "$@"
"""
COMMAND = f"""#!/bin/sh
exec {sys.base_prefix}/bin/python3 -c '{LAB}' "$@"
"""
_NOT_NEEDED = ("/test/", "/tests/", "/idlelib/", "/site-packages/", "/config-")
"""Parts of the standard library."""
_LIBRARY = re.compile(r"=> (/\S+) \(|^\s+(/\S*ld-linux\S*) \(", re.MULTILINE)

Files = dict[str, Path]
"""By path in the image, without the first slash."""


def write_images(target: Path, folder: Path, scratch: Path) -> None:
    """An archive of the shards' image, whose working folder has the content of `folder`, and of the
    pause container's."""
    layout = Layout(scratch)
    shell = _shell(layout)
    files = {
        **_python(),
        **_sources(),
        **{f"{FOLDER}/{path}": file for path, file in _tree(folder)},
        "bin/tini": INIT,
    }
    layers = [shell, _files(layout, files, {"bin/lab": COMMAND, "bin/entry": ENTRY})]
    programs = {
        IMAGE: layout.add_image(host_arch(), layers, ("/bin/entry",)),
        PAUSE: _pause(layout),
    }
    layout.write(target, {name: layout.add_index([each]) for name, each in programs.items()})


def write_pause_image(target: Path, scratch: Path) -> None:
    """An archive of the image of the pause container alone."""
    layout = Layout(scratch)
    layout.write(target, {PAUSE: layout.add_index([_pause(layout)])})


def _pause(layout: Layout) -> Descriptor:
    pause = program(EDGE_PROGRAM)
    assert pause is not None
    return layout.add_image(host_arch(), [_files(layout, {"edge": pause}, {})], ("/edge", "pause"))


def _shell(layout: Layout) -> Descriptor:
    busybox = shell_of_the_lab()
    assert busybox is not None

    def write(sink: BinaryIO) -> None:
        with open_tar(sink) as tar:
            put_file(tar, "bin/busybox", busybox, 0o755)
            for name in sorted(load_image_recipe().applets):
                put_link(tar, f"bin/{name}", "busybox")

    return layout.add_layer(write)


def shell_of_the_lab() -> Path | None:
    """busybox in the root image for this host, if the lab has built that."""
    arch = host_arch().value
    return next(iter(sorted(CACHE.parent.glob(f"images/{arch}-*/busybox"))), None)


def _files(layout: Layout, files: Files, scripts: Mapping[str, str]) -> Descriptor:
    def write(sink: BinaryIO) -> None:
        with open_tar(sink) as tar:
            for path, file in sorted(files.items()):
                put_file(tar, path, file, file.stat().st_mode & 0o777)
            for path, text in sorted(scripts.items()):
                put(tar, path, text.encode(), 0o755)

    return layout.add_layer(write)


def _sources() -> Files:
    return {
        f"{FOLDER}/{place}/{path}": file
        for name, place in SOURCES.items()
        for path, file in _tree(ROOT / name)
        if "__pycache__" not in path
    }


def _tree(folder: Path) -> Iterator[tuple[str, Path]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield str(file.relative_to(folder)), file


def _python() -> Files:
    """Python, the requirements of edge-lab, and the libraries of both."""
    base = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = base / "lib" / version
    files = {
        str(file).removeprefix("/"): file
        for _, file in _tree(library)
        if not any(part in str(file) for part in _NOT_NEEDED)
    }
    interpreter = base / "bin" / "python3"
    files[str(interpreter).removeprefix("/")] = interpreter
    for distribution in _distributions():
        for path in distribution.files or ():
            place = Path(str(distribution.locate_file(path)))
            if ".." not in path.parts and path.suffix != ".pth" and place.is_file():
                files[f"{PACKAGES}/{path}"] = place
    binaries = [str(file) for file in files.values() if ".so" in file.suffixes]
    told = subprocess.run(
        ["ldd", str(interpreter), *binaries], capture_output=True, text=True, timeout=300
    ).stdout
    for found in _LIBRARY.finditer(told):
        place = Path(found[1] or found[2])
        if "site-packages" not in place.parts:
            files[str(place).removeprefix("/")] = place
    return files


def _distributions() -> list[importlib.metadata.Distribution]:
    """edge-lab, and all that it requires without extras."""
    found: dict[str, importlib.metadata.Distribution] = {}
    wanted = ["edge-lab"]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        found[name] = importlib.metadata.distribution(name)
        for text in found[name].requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name)
    return list(found.values())


def require_parts(*, built: bool) -> None:
    """Skips the test where a part of the images is missing; `built` if there is one for shards."""
    if not built and not INIT.is_file():
        pytest.skip(f"there is no {INIT}: apt-get install tini")
    if (not built and shell_of_the_lab() is None) or program(EDGE_PROGRAM) is None:
        pytest.skip("the lab has not built its root image and programs for this host yet")
