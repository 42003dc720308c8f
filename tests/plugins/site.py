"""A folder of installed distributions, Acme's among them, and a mirror with its files."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_lab.artifacts import Want
from edge_lab.images.layout import Layout, open_tar, put
from edge_lab.topology import Arch
from tests.conftest import LABS

SOURCE = Path(__file__).parent / "acme"
ENTRY_POINTS = """\
[edge_lab.addons]
acme = lab_acme.addon:Acme

[edge_lab.components]
acme = lab_acme.parts:parts

[edge_lab.device_protocols]
acme-line = lab_acme.line:AcmeLine
"""


METER_FILE = "acme/acme-meter-2.1.0.oci.tar"
"""In the mirror."""
METER = Want("acme-meter", Arch.AARCH64)
AGENT = {arch: f"agent for {arch.go}".encode() for arch in Arch}
"""The content of the agent's programs."""


class Site:
    """A folder on the path of imports. Distributions are found in it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def package(self) -> Path:
        return self.folder / "lab_acme"

    @property
    def lock(self) -> Path:
        return self.package / "artifacts.lock"

    def install_acme(self) -> None:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(SOURCE, self.package, ignore=ignore)
        self.install("lab-acme", ENTRY_POINTS)

    def install(self, name: str, entry_points: str, module: str = "") -> None:
        """A distribution of that name; `module` is the text of its module, called as it is."""
        plain = name.replace("-", "_")
        if module:
            (self.folder / f"{plain}.py").write_text(module)
        info = self.folder / f"{plain}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(entry_points)

    def uninstall(self, name: str) -> None:
        shutil.rmtree(self.folder / f"{name.replace('-', '_')}-1.0.dist-info")

    def pin(self, component: str, digests: dict[Arch, str]) -> None:
        """Writes digests of a component into Acme's lock."""
        lock = json.loads(self.lock.read_text())
        lock["components"][component]["files"] = {
            arch.value: digest for arch, digest in digests.items()
        }
        self.lock.write_text(json.dumps(lock, indent=2) + "\n")

    def line(self, part: str) -> int:
        """The line of the lock that begins with `part`, a key of JSON."""
        lines = self.lock.read_text().splitlines()
        return next(n for n, line in enumerate(lines, 1) if line.strip().startswith(part))


def topology_with(folder: Path, device: str = "", addons: str = "[twins, workload, acme]") -> Path:
    """A topology file: the default one with Acme's add-on, and with a device more."""
    text = (LABS / "default.yaml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("addons:")]
    if device:
        at = lines.index("links:") + 1
        link = "{name: line-plant, endpoint: line, network: plant, address: 10.78.0.190}"
        lines.insert(at, f"  - {link}")
        at = lines.index("devices:") + 1
        lines.insert(at, f"  - {device}")
    file = folder / "lab.yaml"
    file.write_text("\n".join([*lines, f"addons: {addons}", ""]), encoding="utf-8")
    return file


def meter_archive(
    file: Path, architectures: Sequence[Arch] = tuple(Arch), text: str = "meter"
) -> str:
    """Writes an OCI image layout in a tar, as a vendor gives it away; returns the image's digest,
    hex."""
    file.parent.mkdir(parents=True, exist_ok=True)
    scratch = file.with_suffix(".blobs")
    layout = Layout(scratch)
    manifests = []
    for arch in architectures:

        def write(sink: Any, arch: Arch = arch) -> None:
            with open_tar(sink) as tar:
                put(tar, "meter", f"{text} for {arch.go}".encode(), 0o755)

        manifests.append(layout.add_image(arch, [layout.add_layer(write)], ("/meter",)))
    index = layout.add_index(manifests)
    layout.write(file, {"vendor.example/meter:latest": index})
    shutil.rmtree(scratch)
    return str(index["digest"]).removeprefix("sha256:")


def repacked(content: bytes, changes: dict[str, bytes | None]) -> bytes:
    """An archive with parts of another content, or without them."""
    target = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content)) as old,
        tarfile.open(fileobj=target, mode="w") as new,
    ):
        for member in old.getmembers():
            stream = old.extractfile(member)
            data: bytes | None = stream.read() if stream else b""
            data = changes.get(member.name, data)
            if data is None:
                continue
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return target.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
