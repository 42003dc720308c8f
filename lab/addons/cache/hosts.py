"""containerd's configuration of the registry: hosts.toml for each name (docs/hosts.md there)."""

from __future__ import annotations

from edge_lab.addons.cache.names import (
    AUTHORITY,
    CACHE,
    CACHE_PORT,
    CERTS_D,
    DIRECT_NAME,
    ORIGIN_PORT,
    REGISTRY_NAME,
    SITE_PORT,
    cache_addon,
    site_peers,
)
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Node, Topology


def hosts_files(topology: Topology, node: Node) -> tuple[GuestFile, ...]:
    """The registry behind the cache of `node`, and, by another name, without one."""
    origin = f"https://{topology.cluster_link(topology.server.name).address}:{ORIGIN_PORT}"
    peers = site_peers(topology, node) if cache_addon(topology) == CACHE else ()
    cached = hosts_toml(
        origin,
        f"http://127.0.0.1:{CACHE_PORT}",
        tuple(f"https://{link.address}:{SITE_PORT}" for _, link in peers),
    )
    return _file(REGISTRY_NAME, cached), _file(DIRECT_NAME, hosts_toml(origin))


def hosts_toml(
    origin: str, cache: str = "", peers: tuple[str, ...] = (), *, authority: str = AUTHORITY
) -> str:
    """The cache is tried first. If it has no answer, `peers` may know a tag, and finally `origin`
    is tried: a broken cache only costs time."""
    # containerd 1.7 accepts no file without the table.
    lines = [f'server = "{origin}"', f'ca = "{authority}"', "", "[host]"]
    if cache:
        lines += ["", f'[host."{cache}"]', '  capabilities = ["pull", "resolve"]']
    for peer in peers:
        # With "resolve" alone it would not be used: containerd requires both. Content with a digest
        # is already in the cache, which got it from them.
        lines += ["", f'[host."{peer}"]', '  capabilities = ["pull", "resolve"]']
        lines.append(f'  ca = "{authority}"')
    return "\n".join(lines) + "\n"


def _file(name: str, text: str) -> GuestFile:
    return GuestFile.text(f"{CERTS_D}/{name}/hosts.toml", text)
