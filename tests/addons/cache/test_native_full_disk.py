"""Caches on a full disk for real, on this machine: what they still serve, and what they have when
there is room again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.addons.cache import soundness
from edge_lab.addons.cache.names import CACHE, PULL_THROUGH
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded
from suites.cache.judging import NO_ROOM
from tests.addons.cache.site import LIMIT, Site, running_site
from tests.addons.cache.siteconfig import NODES
from tests.addons.cache.test_containerd import forget, running_node
from tests.smalldisk import filled, small_disk

pytestmark = pytest.mark.native(reason="runs caches and containerd, and waits for nginx's manager")

MIB = 1024 * 1024
DISK_MIB = 48
MANAGER_SECONDS = 25.0
"""nginx looks every ten seconds what it must remove."""


@contextlib.contextmanager
def site_on_small_disk(folder: Path, kind: str) -> Iterator[Site]:
    with small_disk(folder / NODES[0], mib=DISK_MIB), running_site(folder, kind) as site:
        yield site


def is_right(site: Site, image: str) -> bool:
    answer = site.blob(image)
    return answer.ok and f"sha256:{answer.sha256}" == site.own_layer(image)


def is_emptied(site: Site) -> bool:
    """Whether nginx's manager removes something."""
    before = site.cached_files()
    with contextlib.suppress(DeadlineExceeded):
        Deadline.after(MANAGER_SECONDS).wait_for(
            "fewer files", lambda: len(site.cached_files()) < len(before), every=0.5
        )
        return True
    return False


@pytest.mark.parametrize("kind", [CACHE, PULL_THROUGH])
def test_a_full_disk_costs_nothing_that_is_cached_and_leaves_nothing_damaged(
    tmp_path: Path, kind: str
) -> None:
    with site_on_small_disk(tmp_path, kind) as site:
        assert site.tag("cached").ok
        assert site.manifest("cached").ok
        assert is_right(site, "cached")
        with filled(tmp_path / NODES[0]):
            assert not site.tag("large-0").ok
            # nginx serves nothing that it cannot store; docker-registry serves layers.
            assert is_right(site, "large-0") == (kind == PULL_THROUGH)
            assert kind == PULL_THROUGH or not is_emptied(site)
            with site.refusing():
                assert site.tag("cached").ok
                assert site.manifest("cached").ok
                assert is_right(site, "cached")
        assert site.tag("large-0").ok
        assert is_right(site, "large-0")
        if kind == CACHE:
            assert soundness.unsound(tmp_path / NODES[0] / "images") == []
            with site.refusing():
                assert is_right(site, "large-0")
                assert is_right(site, "cached")


def test_a_cache_that_must_leave_room_is_emptied(tmp_path: Path) -> None:
    """The planted defect: `min_free`, with which nginx removes content while others fill the
    disk."""
    with site_on_small_disk(tmp_path, CACHE) as site:
        site.end(NODES[0])
        config = site.path(f"{NODES[0]}.conf")
        text = config.read_text()
        config.write_text(text.replace(" inactive=", " min_free=8m inactive="))
        assert config.read_text() != text
        site.start_cache()
        assert is_right(site, "cached")
        with filled(tmp_path / NODES[0]):
            assert is_emptied(site)
            with site.refusing():
                assert not is_right(site, "cached")


def test_a_pull_that_a_full_disk_ends_names_it_and_goes_on(tmp_path: Path) -> None:
    """Cache and containerd have a disk each, and both are full."""
    with (
        small_disk(tmp_path / NODES[0], mib=DISK_MIB),
        small_disk(tmp_path / "containerd", mib=DISK_MIB),
        running_node(tmp_path) as node,
    ):
        site = node.site
        began = site.received()
        pull = node.fetching("large-0")
        with (
            site.slow(mbit=16),
            site.edge.running(*pull) as process,
            contextlib.ExitStack() as full,
        ):
            Deadline.after(LIMIT).wait_for("a part", lambda: site.received() - began > 4 * MIB)
            for folder in (NODES[0], "containerd"):
                full.enter_context(filled(tmp_path / folder))
            _, said = process.communicate(timeout=180)
            assert process.returncode != 0, said
            # The cache's answer may have ended first; the next attempt gets as far.
            said += node.fetch("large-0").stderr
        assert NO_ROOM.search(said), said
        done = node.fetch("large-0")
        assert done.returncode == 0, done.stderr
        assert node.has(site.own_layer("large-0"))
        assert soundness.unsound(tmp_path / NODES[0] / "images") == []
        forget(node, "large-0")
        with site.silent():
            done = node.fetch("large-0")
            assert done.returncode == 0, done.stderr
            assert node.has(site.own_layer("large-0"))


def test_a_pull_goes_around_a_cache_whose_disk_is_full(tmp_path: Path) -> None:
    """Only the cache's disk is full: containerd asks the registry itself."""
    with small_disk(tmp_path / NODES[0], mib=DISK_MIB), running_node(tmp_path) as node:
        with filled(tmp_path / NODES[0]):
            done = node.fetch("large-0")
        assert done.returncode == 0, done.stderr
        assert node.has(node.site.own_layer("large-0"))
