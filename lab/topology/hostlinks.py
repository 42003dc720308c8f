"""Links with real endpoints, which are reached by a network interface of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from edge_lab.core.names import NAME_RULE, is_name
from edge_lab.core.yamlmodel import Problem
from edge_lab.topology.external import booted_nodes, external_nodes

if TYPE_CHECKING:
    from edge_lab.topology.model import Link, Topology

_LONGEST = 15
"""Maximum length of an interface's name: IFNAMSIZ without the terminating null byte."""


def _interface_name(value: str) -> str:
    if not 1 <= len(value) <= _LONGEST or any(mark in value for mark in "/: \t\n"):
        raise ValueError(f"{value!r} is not the name of a network interface")
    return value


InterfaceName = Annotated[str, AfterValidator(_interface_name)]


def host_links(topology: Topology) -> tuple[Link, ...]:
    """The links that end at an interface of the host, in the order of the file."""
    return tuple(link for link in topology.links if link.host_interface)


def outside_names(topology: Topology) -> tuple[str, ...]:
    """The names of their endpoints that are not nodes, each once."""
    nodes = {node.name for node in external_nodes(topology)}
    found = (link.endpoint for link in host_links(topology) if link.endpoint not in nodes)
    return tuple(dict.fromkeys(found))


def check_host_links(topology: Topology) -> None:
    """Raises Problem for the first violated constraint."""
    inside = {node.name for node in booted_nodes(topology)}
    inside |= {device.name for device in topology.devices}
    users: dict[str, str] = {}
    for index, link in enumerate(topology.links):
        interface = link.host_interface
        if interface is None:
            if link.port is not None:
                raise Problem(
                    f"link {link.name!r} has a port, but no host-interface",
                    ("links", index, "port"),
                    "The ports of nodes and devices are known.",
                )
            continue
        if link.endpoint in inside:
            raise Problem(
                f"{link.endpoint!r} is a node or device of the lab, so its link cannot end at the "
                f"interface {interface}",
                ("links", index, "endpoint"),
                "Give what stands at the interface a name of its own, or make the node external.",
            )
        if not is_name(link.endpoint):
            raise Problem(
                f"{link.endpoint!r} is not a valid name: {NAME_RULE}", ("links", index, "endpoint")
            )
        if interface in users:
            raise Problem(
                f"the links {users[interface]!r} and {link.name!r} both end at {interface}",
                ("links", index, "host-interface"),
                "An interface is the end of one link.",
            )
        users[interface] = link.name
