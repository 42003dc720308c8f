"""The configuration of nginx as the cache of an edge node.

Content with a digest in its name cannot change: it is served from the cache without revalidation,
and missing content is fetched from the caches of the site, then from the cloud. A tag can move: it
is resolved in the cloud each time, and a stale answer is served if the cloud does not respond.
Large files are cached in slices, so that an interrupted transfer can be resumed.

Each upstream is reached through a stage, a server on loopback: a list of upstreams has one scheme
and one certificate name, and those of the site and of the cloud have different ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from edge_lab.addons.cache.nginxtext import Block, block, nginx_text

SLICE: Final = "1m"
FOR_EVER: Final = "3650d"
STORES: Final = ("images", "data")
"""Folders of the cache, each with its own limit."""
NOBODY: Final = "127.0.0.1:1"
"""An address without a listener: requests are answered from the cache, or not at all."""

TAG_SECONDS: Final = 5
"""Time for which a tag is served without resolving it again: as long as one pull may take."""
PEER_CONNECT_SECONDS: Final = 1
CONNECT_SECONDS: Final = 3
READ_SECONDS: Final = 10
"""Maximum between two reads of a response: the delay of a tag with a silent uplink."""
STAGE_SECONDS: Final = CONNECT_SECONDS + READ_SECONDS + 5
"""A stage has its own timeouts, which are shorter."""
LOCK_SECONDS: Final = 60
KEEPALIVE_SECONDS: Final = 5
"""How long a client waits for the rest of a truncated cached file: nginx considers it complete, and
only closes the connection."""

_REPOSITORY = "(?<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
_DIGEST = "(?<digest>sha256:[0-9a-f]{64})"
BLOBS = f'location ~ "^/v2/{_REPOSITORY}/blobs/{_DIGEST}$"'
MANIFESTS = f'location ~ "^/v2/{_REPOSITORY}/manifests/{_DIGEST}$"'
TAGS = f'location ~ "^/v2/{_REPOSITORY}/manifests/(?<tag>[A-Za-z0-9_][A-Za-z0-9._-]*)$"'
DATA = 'location ~ "^(?<file>/data/.+)$"'
CACHED_DATA = 'location ~ "^/cached(?<file>/data/.+)$"'
_MISSING = block("location @missing", "return 404")


@dataclass(frozen=True)
class Upstream:
    """A source of content that is not in the cache, by TLS."""

    name: str
    """Of the stage."""
    address: str
    """HOST:PORT."""
    tls_name: str
    """In its certificate."""
    stage: str
    """HOST:PORT on loopback."""


@dataclass(frozen=True)
class Cache:
    """One node's cache. Paths are the node's."""

    listens: str
    site: tuple[str, ...]
    """Where pods and other nodes connect, by TLS; none without a certificate."""
    registry: Upstream
    data: Upstream
    peers: tuple[Upstream, ...] = ()
    state: str = ""
    authority: str = ""
    certificate: str = ""
    key: str = ""
    images_mib: int = 48
    data_mib: int = 12
    log: str = "off"
    """The target of `access_log`; its format is `cache`."""
    errors: str = "stderr"
    pid: str = ""
    user: str = "nobody nogroup"


def cache_config(cache: Cache) -> str:
    """nginx.conf of the cache."""
    upstreams = (cache.registry, cache.data, *cache.peers)
    return nginx_text(
        *_process(cache.user, cache.pid, cache.errors),
        block("events", "worker_connections 512"),
        block(
            "http",
            *_http(cache.state, cache.log),
            block("map $http_cache_control $anew", "default 0", "no-cache 1"),
            # Versions of containerd name types in different orders; what matters is whether they
            # accept an image index.
            block("map $http_accept $takes", "default one", '"~image\\.index\\.v1" all'),
            *_stores(cache),
            *(part for upstream in upstreams for part in _stage(cache, upstream)),
            _group("images", cache.peers, cache.registry),
            _group("sets", cache.peers, cache.data),
            _group("tags", (), cache.registry),
            _node_server(cache),
            *((_site_server(cache),) if cache.site else ()),
        ),
    )


def data_config(
    listens: str, *, root: str, state: str, certificate: str, key: str, user: str = "nobody nogroup"
) -> str:
    """nginx.conf of the server of the data sets in `root`/data."""
    return nginx_text(
        *_process(user, f"{state}/nginx.pid", "stderr"),
        block("events", "worker_connections 128"),
        block(
            "http",
            *_http(state, "off"),
            block(
                "server",
                f"listen {listens} ssl",
                *_certificate(certificate, key),
                *_reads_only(),
                block("location /data/", f"root {root}"),
                block("location /", "return 404"),
            ),
        ),
    )


def _process(user: str, pid: str, errors: str) -> tuple[str, ...]:
    users = (f"user {user}",) if user else ()
    return ("daemon off", *users, "worker_processes 1", f"pid {pid}", f"error_log {errors} warn")


def _http(state: str, log: str) -> tuple[str, ...]:
    folders = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    target = log if log == "off" else f"{log} cache"
    return (
        "default_type application/octet-stream",
        "server_tokens off",
        *(f"{name}_temp_path {state}/scratch/{name}" for name in folders),
        'log_format cache \'$remote_addr "$request" $status $body_bytes_sent $request_time '
        "$upstream_cache_status'",
        f"access_log {target}",
        f"keepalive_timeout {KEEPALIVE_SECONDS}s",
    )


def _stores(cache: Cache) -> tuple[str, ...]:
    """Without `min_free`, which empties the whole cache while something else fills the disk."""
    return tuple(
        f"proxy_cache_path {cache.state}/{name} levels=1:2 keys_zone={name}:1m "
        f"max_size={mib}m inactive={FOR_EVER} use_temp_path=off"
        for name, mib in zip(STORES, (cache.images_mib, cache.data_mib), strict=True)
    )


# -- upstreams -----------------------------------------------------------------------------


def _stage(cache: Cache, upstream: Upstream) -> tuple[Block, ...]:
    """The loopback server in front of `upstream`, with keep-alive connections."""
    is_peer = upstream in cache.peers
    connect = PEER_CONNECT_SECONDS if is_peer else CONNECT_SECONDS
    target = f"https://{upstream.name}"
    # Only for the peer's cached content, otherwise it might ask us in turn.
    of_peer = (block("location /data/", f"proxy_pass {target}/cached/data/"),) if is_peer else ()
    return (
        block(f"upstream {upstream.name}", f"server {upstream.address} max_fails=0", "keepalive 4"),
        block(
            "server",
            f"listen {upstream.stage}",
            "access_log off",
            *_reads_only(),
            "proxy_http_version 1.1",
            'proxy_set_header Connection ""',
            f"proxy_set_header Host {upstream.tls_name}",
            "proxy_ssl_server_name on",
            f"proxy_ssl_name {upstream.tls_name}",
            "proxy_ssl_verify on",
            f"proxy_ssl_trusted_certificate {cache.authority}",
            f"proxy_connect_timeout {connect}s",
            f"proxy_read_timeout {READ_SECONDS}s",
            f"proxy_send_timeout {READ_SECONDS}s",
            "proxy_max_temp_file_size 0",
            *of_peer,
            block("location /", f"proxy_pass {target}"),
        ),
    )


def _group(name: str, peers: tuple[Upstream, ...], cloud: Upstream) -> Block:
    """The caches of the site first, the cloud if none of them has it."""
    backup = " backup" if peers else ""
    return block(
        f"upstream {name}",
        *(f"server {peer.stage} max_fails=1 fail_timeout=30s" for peer in peers),
        f"server {cloud.stage} max_fails=0{backup}",
    )


# -- servers -------------------------------------------------------------------------------


def _node_server(cache: Cache) -> Block:
    """The server for containerd and other programs of the node."""
    return block(
        "server",
        f"listen {cache.listens}",
        *_reads_only(),
        *_caching(),
        "proxy_cache_bypass $anew",
        block("location = /v2/", "default_type application/json", 'return 200 "{}"'),
        _blobs("http://images"),
        _manifests("http://images"),
        _tags("http://tags"),
        _data(DATA, "http://sets"),
        block("location /", "return 404"),
    )


def _site_server(cache: Cache) -> Block:
    """The server for pods, which read data, and for other nodes, which only get cached content."""
    nobody = f"http://{NOBODY}"
    return block(
        "server",
        *(f"listen {address} ssl" for address in cache.site),
        *_certificate(cache.certificate, cache.key),
        *_reads_only(),
        *_caching(),
        "error_page 502 504 = @missing",
        _MISSING,
        _blobs(nobody),
        _manifests(nobody),
        _tags(nobody),
        _data(CACHED_DATA, nobody),
        _data(DATA, "http://sets"),
        block("location /", "return 404"),
    )


def _caching() -> tuple[str, ...]:
    return (
        "proxy_http_version 1.1",
        f"proxy_read_timeout {STAGE_SECONDS}s",
        # We set lifetimes ourselves: content with a digest never expires.
        "proxy_ignore_headers Cache-Control Expires Vary Set-Cookie X-Accel-Expires",
        "proxy_next_upstream error timeout http_404 http_502 http_503 http_504",
        "proxy_cache_lock on",
        f"proxy_cache_lock_timeout {LOCK_SECONDS}s",
        f"proxy_cache_lock_age {LOCK_SECONDS}s",
        "add_header X-Cache $upstream_cache_status always",
    )


def _blobs(upstream: str) -> Block:
    return block(BLOBS, *_sliced("images", "$digest"), f"proxy_pass {upstream}")


def _data(head: str, upstream: str) -> Block:
    return block(head, *_sliced("data", "$file"), f"proxy_pass {upstream}$file")


def _sliced(store: str, key: str) -> tuple[str, ...]:
    return (
        f"slice {SLICE}",
        f"proxy_cache {store}",
        f"proxy_cache_key {key}$slice_range",
        "proxy_set_header Range $slice_range",
        f"proxy_cache_valid 200 206 {FOR_EVER}",
    )


def _manifests(upstream: str) -> Block:
    return block(
        MANIFESTS,
        "proxy_cache images",
        "proxy_cache_key manifest$digest",
        f"proxy_cache_valid 200 {FOR_EVER}",
        f"proxy_pass {upstream}",
    )


def _tags(upstream: str) -> Block:
    return block(
        TAGS,
        "proxy_cache images",
        'proxy_cache_key "tag $repository:$tag $takes"',
        f"proxy_cache_valid 200 {TAG_SECONDS}s",
        "proxy_cache_use_stale error timeout invalid_header updating "
        "http_500 http_502 http_503 http_504",
        f"proxy_pass {upstream}",
    )


def _reads_only() -> tuple[Block, ...]:
    """Common to all servers: read-only methods, and a health check."""
    return (
        block("if ($request_method !~ ^(GET|HEAD)$)", "return 405"),
        block("location = /healthz", "access_log off", 'return 200 "ok"'),
    )


def _certificate(certificate: str, key: str) -> tuple[str, ...]:
    return (
        f"ssl_certificate {certificate}",
        f"ssl_certificate_key {key}",
        "ssl_protocols TLSv1.2 TLSv1.3",
    )
