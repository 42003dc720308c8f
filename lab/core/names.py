"""The rule for names of labs, nodes, networks, links and devices, wherever one is read."""

from __future__ import annotations

import re

NAME_LIMIT = 20
"""Characters; a name becomes part of host names, NIC names and socket paths."""

NAME_RULE = f"at most {NAME_LIMIT} of a-z, 0-9 and -, beginning and ending with a letter or digit"

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def is_name(text: str) -> bool:
    """Whether `text` may name something; such a text is always one plain path component."""
    return len(text) <= NAME_LIMIT and _LABEL.fullmatch(text) is not None
