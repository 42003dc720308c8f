"""A cloud and an edge node on this machine, two network namespaces with a cable between them.

In the cloud are the registry and the data sets, at the edge is a cache of either kind, all by the
lab's own configurations.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_lab.addons.cache import soundness
from edge_lab.addons.cache.names import CACHE, NGINX, PULL_THROUGH, REGISTRY
from edge_lab.addons.cache.nginx import STORES
from edge_lab.artifacts import host_arch
from edge_lab.core.deadline import Deadline
from edge_lab.images import DebianProgram
from edge_lab.images.programs import host_command
from edge_lab.images.unpacked import unpacked_place
from tests.addons.cache.siteconfig import (
    CLOUD,
    EDGE,
    NODES,
    configure,
    make_content,
    make_keys,
    port_of,
)
from tests.golang import CACHE as GO_CACHE
from tests.namespaces import Namespace, connect, new_namespace

WIRE = "wire0"
LIMIT = 60.0
PACKAGES = (("docker-registry", "nginx"), ("docker-registry",))


def command_of(program: DebianProgram) -> tuple[str, ...]:
    """What starts it on this machine: of the lab's cache, or installed; skips the test if it is
    neither."""
    for packages in PACKAGES:
        root = unpacked_place(GO_CACHE.parent, host_arch(), packages)
        if (root / program.path).is_file():
            return host_command(root, program)
    found = shutil.which(program.name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(
            f"there is no {program.name}: `lab up labs/edge-cache.yaml` unpacks it, or "
            f"`apt-get install {program.package}`"
        )
    return (found,)


@dataclass(frozen=True)
class Answer:
    """What came of one question."""

    status: int
    """0 if nothing came in time, or the connection ended before the answer's head."""
    cache: str
    bytes: int
    sha256: str
    seconds: float
    error: str

    @property
    def ok(self) -> bool:
        return self.status in (200, 206) and not self.error


@dataclass
class Site:
    """The cloud's and the edge's processes."""

    folder: Path
    cloud: Namespace
    edge: Namespace
    kind: str
    digests: Mapping[str, str]
    """Of each image's index, by name."""
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    """What the last restart of the cache has said."""

    # -- processes ---------------------------------------------------------------------------

    def start(self, name: str, place: Namespace, *argv: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                place.argv(argv),
                stdout=log,
                stderr=log,
                env={**os.environ, "SSL_CERT_FILE": str(self.folder / "ca.crt")},
            )

    def end(self, name: str) -> None:
        process = self.running.pop(name)
        process.terminate()
        process.wait(LIMIT)

    def exit_status(self, name: str, seconds: float) -> int | None:
        """None if it runs on."""
        try:
            return self.running[name].wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def start_cloud(self) -> None:
        self.start("origin", self.cloud, *command_of(REGISTRY), "serve", str(self.path("o.yml")))
        self.start("data", self.cloud, *self._nginx("data.conf"))
        for port in (5000, 5444):
            self.until_open(self.cloud, CLOUD, port)

    def end_cloud(self) -> None:
        for name in ("origin", "data"):
            self.end(name)

    def start_cache(self, node: str = NODES[0], *, wait: bool = True) -> None:
        if self.kind == PULL_THROUGH:
            argv = (*command_of(REGISTRY), "serve", str(self.path("pull-through.yml")))
        else:
            argv = self._nginx(f"{node}.conf")
        self.start(node, self.edge, *argv)
        if wait:
            self.until_open(self.edge, "127.0.0.1", self.port(node))

    def restart_cache(self) -> None:
        """As a node does: nginx's cache is looked through before."""
        self.end(NODES[0])
        if self.kind == CACHE:
            stores = [str(self.folder / NODES[0] / name) for name in STORES]
            done = subprocess.run(
                [sys.executable, "-I", soundness.__file__, *stores],
                capture_output=True,
                text=True,
                timeout=LIMIT,
            )
            assert done.returncode == 0, done.stderr
            self.removed = done.stdout.splitlines()
        self.start_cache(wait=False)

    def _nginx(self, config: str) -> tuple[str, ...]:
        return (*command_of(NGINX), "-e", "stderr", "-c", str(self.path(config)))

    def until_open(self, place: Namespace, address: str, port: int) -> None:
        code = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
        probe = (sys.executable, "-c", code, address, str(port))
        Deadline.after(LIMIT).wait_for(
            f"port {port}", lambda: place.try_run(*probe).returncode == 0
        )

    def path(self, name: str) -> Path:
        return self.folder / name

    @staticmethod
    def port(node: str) -> int:
        return port_of(node)

    # -- the wire ----------------------------------------------------------------------------

    @contextlib.contextmanager
    def silent(self) -> Iterator[None]:
        """Frames vanish, and nobody is told: the edge knows the cloud's MAC address for ever."""
        self.cloud.run("ip", "link", "set", WIRE, "down")
        try:
            yield
        finally:
            self.cloud.run("ip", "link", "set", WIRE, "up")

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """The cloud is there, and no program listens."""
        self.end_cloud()
        try:
            yield
        finally:
            self.start_cloud()

    @contextlib.contextmanager
    def slow(self, mbit: int) -> Iterator[None]:
        """What comes from the cloud is as slow; skips the test where the kernel has no tbf."""
        words = ("root", "tbf", "rate", f"{mbit}mbit", "burst", "64k", "latency", "400ms")
        done = self.cloud.try_run("tc", "qdisc", "add", "dev", WIRE, *words)
        if done.returncode:
            pytest.skip(f"no slow line can be made here: {done.stderr.strip()}")
        try:
            yield
        finally:
            self.cloud.run("tc", "qdisc", "del", "dev", WIRE, "root")

    def received(self) -> int:
        """Bytes that the edge has received by its uplink."""
        (link,) = json.loads(self.edge.run("ip", "-s", "-j", "link", "show", WIRE))
        found: int = link["stats64"]["rx"]["bytes"]
        return found

    # -- questions ---------------------------------------------------------------------------

    def ask(
        self,
        path: str,
        *headers: str,
        node: str = NODES[0],
        limit: float = LIMIT,
        most: int | None = None,
    ) -> Answer:
        words = [*headers, *(("--most", str(most)) if most is not None else ())]
        said = self.edge.run(*self._asking(path, node, limit), *words, seconds=limit + LIMIT)
        return Answer(**json.loads(said))

    @contextlib.contextmanager
    def asking(self, path: str) -> Iterator[Callable[[], Answer]]:
        """A question that is under way; what is given waits for what comes of it."""
        with self.edge.running(*self._asking(path, NODES[0], LIMIT)) as process:
            yield lambda: Answer(**json.loads(process.communicate(timeout=2 * LIMIT)[0]))

    def _asking(self, path: str, node: str, limit: float) -> tuple[str, ...]:
        script = str(Path(__file__).with_name("asking.py"))
        url = f"http://127.0.0.1:{self.port(node)}{path}"
        return (sys.executable, script, url, str(limit))

    def tag(self, image: str, *, node: str = NODES[0], limit: float = LIMIT) -> Answer:
        return self.ask(f"/v2/{image}/manifests/1", node=node, limit=limit)

    def blob(
        self, image: str, *headers: str, node: str = NODES[0], most: int | None = None
    ) -> Answer:
        """Its own layer."""
        return self.ask(self.blob_url(image), *headers, node=node, most=most)

    def blob_url(self, image: str) -> str:
        return f"/v2/{image}/blobs/{self.own_layer(image)}"

    def manifest(self, image: str) -> Answer:
        return self.ask(f"/v2/{image}/manifests/{self.digests[image]}")

    def own_layer(self, image: str) -> str:
        index = self._document(self.digests[image])
        manifest = self._document(index["manifests"][0]["digest"])
        digest: str = manifest["layers"][-1]["digest"]
        return digest

    def all_of(self, image: str) -> list[str]:
        """All that containerd asks for, as paths: the tag, manifests and blobs."""
        index = self._document(self.digests[image])
        found = [f"/v2/{image}/manifests/1", f"/v2/{image}/manifests/{self.digests[image]}"]
        for entry in index["manifests"]:
            found.append(f"/v2/{image}/manifests/{entry['digest']}")
            manifest = json.loads(self.blob_path(entry["digest"]).read_bytes())
            for part in (manifest["config"], *manifest["layers"]):
                found.append(f"/v2/{image}/blobs/{part['digest']}")
        return found

    def first_manifest(self, image: str) -> str:
        """The digest of its manifest for the first architecture."""
        digest: str = self._document(self.digests[image])["manifests"][0]["digest"]
        return digest

    def blob_path(self, digest: str) -> Path:
        name = digest.removeprefix("sha256:")
        return self.folder / f"store/docker/registry/v2/blobs/sha256/{name[:2]}/{name}/data"

    def _document(self, digest: str) -> dict[str, list[dict[str, str]]]:
        found: dict[str, list[dict[str, str]]] = json.loads(self.blob_path(digest).read_bytes())
        return found

    def cached_files(self, store: str = "images", node: str = NODES[0]) -> list[Path]:
        folder = self.folder / node / store
        return sorted(file for file in folder.rglob("*") if file.is_file())

    def cached_bytes(self, store: str) -> int:
        """The cache may remove a file while it is looked at."""
        total = 0
        for file in self.cached_files(store):
            with contextlib.suppress(FileNotFoundError):
                total += file.stat().st_size
        return total

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")


@contextlib.contextmanager
def running_site(folder: Path, kind: str, *, nodes: int = 1) -> Iterator[Site]:
    """Cloud and edge, with one cache or two of a site."""
    for program in (REGISTRY, NGINX):
        command_of(program)
    with new_namespace() as cloud, new_namespace(inside=cloud) as edge:
        connect(cloud, WIRE, edge, WIRE)
        cloud.run("ip", "address", "add", f"{CLOUD}/24", "dev", WIRE)
        edge.run("ip", "address", "add", f"{EDGE}/24", "dev", WIRE)
        (link,) = json.loads(cloud.run("ip", "-j", "link", "show", WIRE))
        edge.run(
            *("ip", "neigh", "replace", CLOUD, "lladdr", link["address"]),
            *("dev", WIRE, "nud", "permanent"),
        )
        make_keys(folder)
        site = Site(folder, cloud, edge, kind, make_content(folder))
        configure(folder)
        try:
            site.start_cloud()
            for node in NODES[:nodes]:
                site.start_cache(node)
            yield site
        finally:
            for name in tuple(site.running):
                site.end(name)
