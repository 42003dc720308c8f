"""containerd's view of the registry: hosts.toml of each name (containerd's docs/hosts.md)."""

from __future__ import annotations

from edge_lab.addons.cache.names import (
    AUTHORITY,
    CACHE_PORT,
    CERTS_D,
    DIRECT_NAME,
    ORIGIN_PORT,
    REGISTRY_NAME,
)
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Topology


def hosts_files(topology: Topology, certs_d: str = CERTS_D) -> tuple[GuestFile, ...]:
    """The registry behind the node's cache, and, by another name, without one."""
    origin = f"https://{topology.cluster_link(topology.server.name).address}:{ORIGIN_PORT}"
    return (
        _file(certs_d, REGISTRY_NAME, hosts_toml(origin, f"http://127.0.0.1:{CACHE_PORT}")),
        _file(certs_d, DIRECT_NAME, hosts_toml(origin)),
    )


def hosts_toml(origin: str, *caches: str, authority: str = AUTHORITY) -> str:
    """`origin` is asked where none of `caches` has an answer: a broken cache costs time alone."""
    # containerd 1.7 takes no file without the table.
    lines = [f'server = "{origin}"', f'ca = "{authority}"', "", "[host]"]
    for cache in caches:
        lines += ["", f'[host."{cache}"]', '  capabilities = ["pull", "resolve"]']
    return "\n".join(lines) + "\n"


def _file(certs_d: str, name: str, text: str) -> GuestFile:
    return GuestFile.text(f"{certs_d}/{name}/hosts.toml", text)
