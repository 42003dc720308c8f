"""Reads a topology from YAML, and reports errors with file, line and remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_lab.core.yamlmodel import YamlModel, line_of
from edge_lab.data import LABS
from edge_lab.topology.consistency import TopologyProblem
from edge_lab.topology.external import check_external_files
from edge_lab.topology.model import Topology

__all__ = ["line_of", "load_topology", "parse_topology"]

_TOPOLOGY: YamlModel[Topology] = YamlModel(
    Topology,
    what="topology",
    keys="name:, nodes:, links:, …",
    remedy=f"{LABS / 'default.yaml'} is a good example to start from.",
    extensions=True,
)


def load_topology(
    path: Path,
    *,
    name: str | None = None,
    check: Callable[[Topology], None] = lambda topology: None,
) -> Topology:
    """The topology in `path`; `name` overrides the lab's name in the file.

    Paths in it are relative to its folder, and absolute in the result. A TopologyProblem that
    `check` raises gets file and line as well.

    Raises:
        InputError: the file is missing, not YAML, or not a valid topology; the message has
            file, line, what is wrong and the remedy.
    """
    folder = path.absolute().parent

    def check_all(topology: Topology) -> None:
        _files_are_there(topology, folder)
        check(topology)

    read = _TOPOLOGY.load(path, put=_called(name), check=check_all)
    return read.beside(folder)


def parse_topology(
    text: str, file: Path | str = "<topology>", *, name: str | None = None
) -> Topology:
    """Like `load_topology`, from text; `file` is its name in messages. Paths are not checked."""
    return _TOPOLOGY.parse(text, file, put=_called(name))


def _called(name: str | None) -> dict[str, str]:
    return {} if name is None else {"name": name}


def _files_are_there(topology: Topology, folder: Path) -> None:
    check_external_files(topology, folder)
    for index, device in enumerate(topology.devices):
        for number, file in enumerate(device.opcua.nodesets if device.opcua else ()):
            if not (folder / file).is_file():
                raise TopologyProblem(
                    f"there is no nodeset {folder / file}",
                    ("devices", index, "opcua", "nodesets", number),
                    "A nodeset's path is relative to the folder of the topology file.",
                )
