"""Places where secrets must not be: the repository's objects, and logs."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping

from suites.gitops.evidence import Texts

LEAST_LINE = 24
"""Minimum characters of a line that identify a key."""


def as_strings(key_pem: bytes) -> tuple[str, ...]:
    """Strings that identify a key: the lines of its PEM, and parts of its base64 in Secrets."""
    lines = [line for line in key_pem.decode().splitlines() if not line.startswith("-----")]
    whole = base64.b64encode(key_pem).decode()
    middle = len(whole) // 2
    return (*(line for line in lines if len(line) >= LEAST_LINE), whole[middle : middle + 40])


def texts_of(
    runtime: str,
    node: str,
    git: str,
    shell: Callable[[str], str],
    logs: Mapping[str, str],
    keys: Mapping[str, bytes],
) -> Texts:
    """All objects of the repository, and these logs. `git` is a command with its repository."""
    objects = (
        f"{git} cat-file --batch-all-objects --batch-check='%(objectname) %(objecttype)' | "
        f"awk '$2 != \"tree\" {{ print $1 }}' | {git} cat-file --batch"
    )
    return Texts(
        runtime=runtime,
        node=node,
        texts={"repository": shell(objects), **logs},
        secrets={name: as_strings(key) for name, key in keys.items()},
    )
