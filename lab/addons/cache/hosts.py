"""containerd's view of the registry: hosts.toml of each name (containerd's docs/hosts.md)."""

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
    """The cache is asked first. Where it has no answer, `peers` may know a tag, and in the end
    `origin` is asked: a cache that is broken costs time alone."""
    # containerd 1.7 takes no file without the table.
    lines = [f'server = "{origin}"', f'ca = "{authority}"', "", "[host]"]
    if cache:
        lines += ["", f'[host."{cache}"]', '  capabilities = ["pull", "resolve"]']
    for peer in peers:
        # For tags alone it would not be asked: containerd wants both of whoever resolves. What has
        # a digest the cache has asked of them before, and keeps.
        lines += ["", f'[host."{peer}"]', '  capabilities = ["pull", "resolve"]']
        lines.append(f'  ca = "{authority}"')
    return "\n".join(lines) + "\n"


def _file(name: str, text: str) -> GuestFile:
    return GuestFile.text(f"{CERTS_D}/{name}/hosts.toml", text)
