"""containerd of the root images' suite, on this machine: what it pulls through a cache, refuses,
and goes on with, by the hosts.toml that nodes have."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.addons.cache.hosts import hosts_toml
from edge_lab.addons.cache.names import CACHE, DIRECT_NAME, REGISTRY_NAME
from edge_lab.addons.cache.nginx import CONNECT_SECONDS, READ_SECONDS
from edge_lab.artifacts import host_arch
from edge_lab.core.deadline import Deadline
from edge_lab.images import DebianProgram
from edge_lab.images.programs import host_command
from edge_lab.images.unpacked import unpacked_place
from tests.addons.cache.site import LIMIT, Site, running_site
from tests.addons.cache.siteconfig import CLOUD, NODES
from tests.golang import CACHE as GO_CACHE

pytestmark = pytest.mark.native(reason="runs containerd, a registry and a cache")

CONTAINERD = DebianProgram("containerd", "usr/bin/containerd")
CTR = DebianProgram("containerd", "usr/bin/ctr")
MIB = 1024 * 1024
PEER = "https://127.0.0.1:5543"
"""Of the second cache, which is there where a test starts it."""


def command_of(program: DebianProgram) -> tuple[str, ...]:
    root = unpacked_place(GO_CACHE.parent, host_arch(), ("containerd",))
    if os.geteuid() != 0:
        pytest.skip("containerd wants root")
    if not (root / program.path).is_file():
        pytest.skip(
            f"there is no containerd in {root}: edge_lab.images.unpacked.unpacked(host_arch(), "
            "('containerd',), …) puts it there"
        )
    return host_command(root, program)


@dataclass
class Node:
    """containerd at the edge."""

    site: Site
    folder: Path

    @property
    def socket(self) -> str:
        return str(self.folder / "c.sock")

    def ctr(self, *words: str, seconds: float = LIMIT) -> subprocess.CompletedProcess[str]:
        return self.site.edge.try_run(
            *command_of(CTR), "--address", self.socket, *words, seconds=seconds
        )

    def fetch(
        self, image: str, name: str = REGISTRY_NAME, seconds: float = 3 * LIMIT
    ) -> subprocess.CompletedProcess[str]:
        return self.site.edge.try_run(*self.fetching(image, name), seconds=seconds)

    def fetching(self, image: str, name: str = REGISTRY_NAME) -> tuple[str, ...]:
        """The command that fetches it."""
        words = ("--hosts-dir", str(self.folder / "certs.d"), f"{name}/{image}:1")
        return (*command_of(CTR), "--address", self.socket, "content", "fetch", *words)

    def has(self, digest: str) -> bool:
        return digest in self.ctr("content", "ls", "-q").stdout.split()


@contextlib.contextmanager
def running_node(tmp_path: Path) -> Iterator[Node]:
    command = command_of(CONTAINERD)
    with running_site(tmp_path, CACHE) as site, contextlib.ExitStack() as stack:
        found = Node(site, tmp_path / "containerd")
        origin, cache = f"https://{CLOUD}:5000", f"http://127.0.0.1:{site.port(NODES[0])}"
        authority = str(tmp_path / "ca.crt")
        texts = {
            REGISTRY_NAME: hosts_toml(origin, cache, (PEER,), authority=authority),
            DIRECT_NAME: hosts_toml(origin, authority=authority),
        }
        for name, text in texts.items():
            place = found.folder / "certs.d" / name
            place.mkdir(parents=True)
            (place / "hosts.toml").write_text(text)
        config = found.folder / "config.toml"
        config.write_text(
            f'version = 2\nroot = "{found.folder}/root"\nstate = "{found.folder}/state"\n'
            'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
            f'[grpc]\n  address = "{found.socket}"\n'
        )
        site.start("containerd", site.edge, *command, "--config", str(config))
        Deadline.after(LIMIT).wait_for("containerd", lambda: found.ctr("version").returncode == 0)
        stack.callback(lambda: found.ctr("version"))
        yield found


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with running_node(tmp_path) as found:
        yield found


def forget(node: Node, image: str) -> None:
    """containerd has nothing of the image any more; the cache has.

    What is removed can be had again without a pull until containerd has collected it.
    """
    for digest in node.ctr("content", "ls", "-q").stdout.split():
        node.ctr("content", "rm", digest)
    blobs = node.folder / "root/io.containerd.content.v1.content/blobs/sha256"
    Deadline.after(LIMIT).wait_for("containerd's collector", lambda: not any(blobs.iterdir()))
    assert not node.has(node.site.own_layer(image))


def test_a_cached_image_is_pulled_while_the_cloud_is_silent(node: Node) -> None:
    done = node.fetch("cached")
    assert done.returncode == 0, done.stderr
    assert node.has(node.site.own_layer("cached"))
    forget(node, "cached")
    with node.site.silent():
        done = node.fetch("cached")
        assert done.returncode == 0, done.stderr
        assert node.has(node.site.own_layer("cached"))
        forget(node, "cached")
        # Controls: one that is not cached, and the same one by a name without a cache.
        for image, name in (("absent", REGISTRY_NAME), ("cached", DIRECT_NAME)):
            began = Deadline.after(180)
            done = node.fetch(image, name)
            assert done.returncode != 0
            assert 180 - began.remaining < CONNECT_SECONDS + READ_SECONDS + 60
            assert "timeout" in done.stderr or "504" in done.stderr, done.stderr
    for name in (REGISTRY_NAME, DIRECT_NAME):
        done = node.fetch("absent", name)
        assert done.returncode == 0, done.stderr


def test_a_cache_that_is_down_does_not_stop_a_node_that_is_online(node: Node) -> None:
    node.site.end(NODES[0])
    done = node.fetch("absent")
    assert done.returncode == 0, done.stderr
    node.site.start_cache()


def test_a_node_without_an_uplink_pulls_what_its_neighbour_has(node: Node) -> None:
    near, far = NODES
    node.site.start_cache(far)
    # The neighbour has pulled it, this node's own cache never saw it.
    for path in node.site.all_of("cached"):
        assert node.site.ask(path, node=far).ok, path
    with node.site.silent():
        done = node.fetch("cached")
        assert done.returncode == 0, done.stderr
        assert node.has(node.site.own_layer("cached"))
        assert node.fetch("absent").returncode != 0
    assert node.site.cached_files(node=near)


def test_a_poisoned_blob_is_refused(node: Node) -> None:
    site = node.site
    assert node.fetch("cached").returncode == 0
    forget(node, "cached")
    for file in site.cached_files():
        content = bytearray(file.read_bytes())
        if len(content) > MIB // 2:
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
    done = node.fetch("cached")
    assert done.returncode != 0
    assert "unexpected commit digest" in done.stderr, done.stderr
    assert not node.has(site.own_layer("cached"))
    assert site.ask(site.blob_url("cached"), "Cache-Control: no-cache").ok
    assert node.fetch("cached").returncode == 0


def test_a_truncated_blob_never_passes_for_the_image(node: Node) -> None:
    site = node.site
    assert node.fetch("cached").returncode == 0
    forget(node, "cached")
    for file in site.cached_files():
        if file.stat().st_size > MIB // 2:
            file.write_bytes(file.read_bytes()[: MIB // 2])
    # nginx ends the connection, and containerd asks for the rest, again and again.
    with contextlib.suppress(subprocess.TimeoutExpired):
        assert node.fetch("cached", seconds=20).returncode != 0
    assert not node.has(site.own_layer("cached"))
    site.restart_cache()
    site.until_open(site.edge, "127.0.0.1", site.port(NODES[0]))
    done = node.fetch("cached")
    assert done.returncode == 0, done.stderr
    assert node.has(site.own_layer("cached"))


def test_a_pull_that_is_cut_goes_on_by_bytes(node: Node) -> None:
    site = node.site
    began = site.received()
    with site.slow(mbit=32), site.edge.running(*node.fetching("large-0")) as pull:
        Deadline.after(LIMIT).wait_for("half", lambda: site.received() - began > 6 * MIB)
        with site.refusing():
            _, said = pull.communicate(timeout=180)
    assert pull.returncode != 0, said
    done = node.fetch("large-0")
    assert done.returncode == 0, done.stderr
    assert node.has(site.own_layer("large-0"))
    # In all, the image came over the uplink once, and some slices twice.
    assert site.received() - began < (12 + 3) * MIB, site.received() - began
