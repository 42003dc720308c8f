"""The rule for names of labs, nodes, networks, links and devices."""

from __future__ import annotations

import re

NAME_LIMIT = 20
"""Maximum length in characters; names become part of host, NIC and socket names."""

NAME_RULE = f"at most {NAME_LIMIT} of a-z, 0-9 and -, beginning and ending with a letter or digit"

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def is_name(text: str) -> bool:
    """Whether `text` is a valid name; a valid name is always a single path component."""
    return len(text) <= NAME_LIMIT and _LABEL.fullmatch(text) is not None
