"""YAML that the lab writes for programs, and reads to change it.

Uses libyaml if PyYAML has it: parser and emitter in Python are ten times slower. Files of users
are read by `edge_lab.core.yamlmodel`.
"""

from __future__ import annotations

from typing import Any

import yaml

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def yaml_text(*documents: Any) -> str:
    """All documents as one text; the order of keys is kept."""
    return str(yaml.dump_all(documents, Dumper=_DUMPER, sort_keys=False))


def yaml_document(text: str) -> Any:
    """The only document of a text."""
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - both are safe
