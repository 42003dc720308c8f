"""docker-registry and nginx for real, on this machine: each kind of cache by each state of its
upstream."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from edge_lab.addons.cache.names import CACHE, PULL_THROUGH
from edge_lab.addons.cache.nginx import CONNECT_SECONDS, KEEPALIVE_SECONDS, READ_SECONDS
from edge_lab.core.deadline import Deadline
from tests.addons.cache.site import LIMIT, Site, running_site
from tests.addons.cache.siteconfig import (
    DATA_MIB,
    IMAGES_MIB,
    NODES,
    SETS,
    show_false_certificate,
)

pytestmark = pytest.mark.native(reason="runs a registry and caches, and waits for silent ones")

MIB = 1024 * 1024
AT_ONCE = 2.0
BOUND = CONNECT_SECONDS + READ_SECONDS + AT_ONCE
"""The longest that nginx lets a silent uplink cost."""
TAG_AGE = 6.0
"""After which nginx asks anew where a tag points."""


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path, CACHE) as site:
        yield site


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path, PULL_THROUGH) as site:
        yield site


@pytest.fixture(params=(CACHE, PULL_THROUGH))
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path, request.param) as site:
        yield site


def fill(site: Site) -> None:
    """The image `cached` is in the cache, and its tag is older than nginx takes for new."""
    for answer in (site.tag("cached"), site.manifest("cached"), site.blob("cached")):
        assert answer.ok, str(answer)
    assert f"sha256:{site.blob('cached').sha256}" == site.own_layer("cached")
    began = Deadline.after(LIMIT)
    began.wait_for("the tag's age", lambda: LIMIT - began.remaining > TAG_AGE)


def by_digest_at_once(site: Site) -> None:
    for answer in (site.manifest("cached"), site.blob("cached")):
        assert answer.ok, str(answer)
        assert answer.seconds < AT_ONCE, str(answer)


def test_upstream_there(either: Site) -> None:
    fill(either)
    assert either.tag("cached").ok
    by_digest_at_once(either)
    assert either.tag("no-such-image").status == 404


def test_upstream_refuses(either: Site) -> None:
    fill(either)
    with either.refusing():
        answer = either.tag("cached")
        assert answer.ok, str(answer)
        assert answer.seconds < AT_ONCE, str(answer)
        by_digest_at_once(either)
        # One says that it does not know, the other that nobody is there.
        assert either.tag("absent").status == (404 if either.kind == PULL_THROUGH else 502)
    assert either.tag("absent").ok


def test_upstream_silent_and_nginx(nginx: Site) -> None:
    fill(nginx)
    with nginx.silent():
        first, second = nginx.tag("cached"), nginx.tag("cached")
        for answer in (first, second):
            assert answer.ok, str(answer)
            assert answer.seconds < BOUND, str(answer)
        by_digest_at_once(nginx)
        absent = nginx.tag("absent")
        assert absent.status in (502, 504), str(absent)
        assert absent.seconds < BOUND, str(absent)
    Deadline.after(LIMIT).wait_for("the absent one", lambda: nginx.tag("absent").ok)


def test_upstream_silent_and_docker_registry(registry: Site) -> None:
    fill(registry)
    with registry.silent():
        by_digest_at_once(registry)
        answer = registry.tag("cached", limit=2 * BOUND)
        assert not answer.ok, str(answer)
        assert answer.status == 0, str(answer)


@pytest.mark.parametrize("how", ["refused", "silent"])
def test_upstream_gone_and_nginx_restarted(nginx: Site, how: str) -> None:
    fill(nginx)
    with nginx.refusing() if how == "refused" else nginx.silent():
        nginx.restart_cache()
        nginx.until_open(nginx.edge, "127.0.0.1", nginx.port(NODES[0]))
        answer = nginx.tag("cached")
        assert answer.ok, str(answer)
        assert answer.seconds < BOUND, str(answer)
        by_digest_at_once(nginx)


@pytest.mark.parametrize("how", ["refused", "silent"])
def test_upstream_gone_and_docker_registry_restarted(registry: Site, how: str) -> None:
    fill(registry)
    with registry.refusing() if how == "refused" else registry.silent():
        registry.restart_cache()
        assert registry.exit_status(NODES[0], LIMIT) not in (None, 0)
        assert "panic" in registry.log(NODES[0])
    # The control: with its upstream it starts.
    registry.start_cache()
    assert registry.tag("cached").ok


def test_a_tag_that_moves_is_seen_at_once_where_the_cloud_answers(nginx: Site) -> None:
    fill(nginx)
    tag = nginx.path("store/docker/registry/v2/repositories/cached/_manifests/tags/1/current/link")
    old = nginx.tag("cached").sha256
    with nginx.silent():
        assert nginx.tag("cached").sha256 == old
    other = nginx.digests["cached"]
    manifest = nginx.manifest("cached")
    assert f"sha256:{manifest.sha256}" == other
    # To the manifest of one architecture, which is another document of the same repository.
    tag.write_text(nginx.first_manifest("cached"))
    Deadline.after(LIMIT).wait_for("the new one", lambda: nginx.tag("cached").sha256 != old)


def test_a_pull_that_is_cut_half_way_goes_on_where_it_was(either: Site) -> None:
    url, began = either.blob_url("large-0"), either.received()
    with either.slow(mbit=32), either.asking(url) as ended:
        half_way = Deadline.after(LIMIT)
        half_way.wait_for("half of it", lambda: either.received() - began > 6 * MIB)
        with either.refusing():
            cut = ended()
    assert 2 * MIB < cut.bytes < 12 * MIB, str(cut)
    assert not cut.ok, str(cut)
    before = either.received()
    rest = either.ask(url, f"Range: bytes={cut.bytes}-")
    assert rest.ok, str(rest)
    fetched = either.received() - before
    whole = either.blob("large-0")
    assert f"sha256:{whole.sha256}" == either.own_layer("large-0")
    if either.kind == CACHE:
        # A slice at most is fetched twice.
        assert fetched < 12 * MIB - cut.bytes + 2 * MIB, fetched
    else:
        # docker-registry keeps nothing of it, and begins anew.
        assert fetched > 12 * MIB, fetched


def test_what_a_first_pull_costs_the_uplink(either: Site) -> None:
    before = either.received()
    assert either.blob("large-0").ok
    settled, last = Deadline.after(LIMIT), -1

    def quiet() -> bool:
        nonlocal last
        now = either.received()
        same, last = now == last, now
        return same

    settled.wait_for("the end of all transfers", quiet, every=1.0)
    fetched = (either.received() - before) / (12 * MIB)
    # docker-registry fetches it once for who asks and once for itself.
    low, high = (0.99, 1.2) if either.kind == CACHE else (1.9, 2.4)
    assert low < fetched < high, fetched


def test_two_nodes_share_what_one_has_pulled(tmp_path: Path) -> None:
    with running_site(tmp_path, CACHE, nodes=2) as site:
        near, far = NODES
        assert site.blob("large-0", node=near).ok
        before = site.received()
        shared = site.blob("large-0", node=far)
        assert f"sha256:{shared.sha256}" == site.own_layer("large-0")
        assert site.received() - before < MIB
        # What the other has not either comes from the cloud, and half of a file is no obstacle.
        assert site.blob("large-1", node=near, most=3 * MIB).bytes >= 3 * MIB
        other = site.blob("large-1", node=far)
        assert f"sha256:{other.sha256}" == site.own_layer("large-1")
        # The same for data, and with an uplink that is silent.
        assert site.ask(SETS[0].path, node=near).sha256 == SETS[0].sha256
        with site.silent():
            assert site.ask(SETS[0].path, node=far).sha256 == SETS[0].sha256
        # A peer that is gone costs a moment.
        site.end(near)
        answer = site.blob("large-2", node=far)
        assert answer.ok, str(answer)
        assert answer.seconds < 2 * AT_ONCE, str(answer)


def test_a_cache_evicts_within_its_limit(nginx: Site) -> None:
    for image in ("large-0", "large-1", "large-2"):
        assert nginx.blob(image).ok
    for data in SETS:
        assert nginx.ask(data.path).sha256 == data.sha256

    def fits(store: str, mib: int) -> bool:
        return nginx.cached_bytes(store) <= mib * MIB

    # Its manager looks every ten seconds.
    for store, mib in (("images", IMAGES_MIB), ("data", DATA_MIB)):
        Deadline.after(LIMIT).wait_for(store, partial(fits, store, mib))
        assert nginx.cached_bytes(store) > mib * MIB / 2
    before = nginx.received()
    assert nginx.blob("large-2").ok  # the newest is there
    assert nginx.received() - before < 5 * MIB


def test_a_poisoned_blob_is_seen_by_its_digest_and_replaced_on_demand(nginx: Site) -> None:
    fill(nginx)
    path = nginx.own_layer("cached")
    for file in nginx.cached_files():
        content = bytearray(file.read_bytes())
        if len(content) > MIB // 2:
            content[-1] ^= 1
            content[len(content) // 2] ^= 1
            file.write_bytes(content)
    poisoned = nginx.blob("cached")
    assert poisoned.ok
    assert f"sha256:{poisoned.sha256}" != path
    assert nginx.blob("cached", "Cache-Control: no-cache").ok
    assert f"sha256:{nginx.blob('cached').sha256}" == path


@pytest.mark.parametrize("how", ["poisoned", "truncated"])
def test_a_restart_throws_out_what_is_not_sound_and_nothing_else(nginx: Site, how: str) -> None:
    fill(nginx)
    assert nginx.ask(SETS[0].path).ok
    nginx.restart_cache()
    assert not nginx.removed, nginx.removed
    large = [file for file in nginx.cached_files() if file.stat().st_size > MIB // 2]
    for file in large:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content if how == "poisoned" else content[: MIB // 2])
    assert large
    nginx.restart_cache()
    nginx.until_open(nginx.edge, "127.0.0.1", nginx.port(NODES[0]))
    assert len(nginx.removed) >= len(large), nginx.removed
    assert f"sha256:{nginx.blob('cached').sha256}" == nginx.own_layer("cached")
    with nginx.silent():
        assert nginx.tag("cached").ok
        assert nginx.ask(SETS[0].path).sha256 == SETS[0].sha256


def test_a_truncated_blob_is_no_whole_answer(nginx: Site) -> None:
    fill(nginx)
    for file in nginx.cached_files():
        if file.stat().st_size > MIB // 2:
            file.write_bytes(file.read_bytes()[: MIB // 2])
    truncated = nginx.blob("cached")
    assert truncated.seconds < KEEPALIVE_SECONDS + AT_ONCE, str(truncated)
    assert not truncated.ok or f"sha256:{truncated.sha256}" != nginx.own_layer("cached")
    assert nginx.blob("cached", "Cache-Control: no-cache").ok
    assert f"sha256:{nginx.blob('cached').sha256}" == nginx.own_layer("cached")


def test_data_that_is_cached_costs_the_uplink_nothing(nginx: Site) -> None:
    data = SETS[0]
    first = nginx.ask(data.path)
    assert (first.sha256, first.cache) == (data.sha256, "MISS")
    before = nginx.received()
    again = nginx.ask(data.path)
    assert (again.sha256, again.cache) == (data.sha256, "HIT")
    assert nginx.received() - before < MIB // 10
    with nginx.silent():
        assert nginx.ask(data.path).sha256 == data.sha256
        missing = nginx.ask(SETS[1].path)
        assert missing.status in (502, 504), str(missing)


def test_nothing_is_written_through_a_cache(nginx: Site) -> None:
    code = (
        "import sys, urllib.request, urllib.error\n"
        "request = urllib.request.Request(sys.argv[1], method='PUT', data=b'x')\n"
        "try: print(urllib.request.urlopen(request, timeout=30).status)\n"
        "except urllib.error.HTTPError as trouble: print(trouble.code)\n"
    )
    port = nginx.port(NODES[0])
    said = nginx.edge.python(code, f"http://127.0.0.1:{port}/v2/cached/manifests/1")
    assert said.strip() == "405"


def test_a_false_registry_fills_no_cache(either: Site) -> None:
    either.end_cloud()
    show_false_certificate(either.folder)
    either.start_cloud()
    answer = either.tag("absent")
    assert not answer.ok, str(answer)
    if either.kind == CACHE:
        assert answer.status == 502, str(answer)
        assert not either.ask(SETS[0].path).ok
        assert not either.cached_files()
