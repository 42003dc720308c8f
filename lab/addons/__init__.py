"""Add-ons: what runs on a lab beside its stack, each in a folder of its own.

`base` says what an add-on is, `catalog` which there are, `platform` puts a stack and the add-ons
of a topology together.
"""

from edge_lab.addons.base import AddOn, AddOnContext, Cluster, Stage
from edge_lab.addons.catalog import find_addon, known_addons
from edge_lab.addons.checks import load_topology
from edge_lab.addons.platform import Platform, get_platform

__all__ = [
    "AddOn",
    "AddOnContext",
    "Cluster",
    "Platform",
    "Stage",
    "find_addon",
    "get_platform",
    "known_addons",
    "load_topology",
]
