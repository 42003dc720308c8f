"""How the host reaches Debian: its own mirror and proxy, as its apt is set up."""

from __future__ import annotations

import os
import re
import subprocess

MIRROR_VARIABLE = "LAB_DEBIAN_MIRROR"
"""Environment variable that overrides every other source of packages (a snapshot, say)."""

RETRIES = 3

_SETTING = re.compile(r'(Acquire::\S+) "(.*)";')
_WANTED = re.compile(
    r"Acquire::(https?::(\S*::)?(Proxy\S*|Verify-\S+|CaInfo)|Force-?IPv[46]|\S*::Timeout)",
    re.IGNORECASE,
)


def debian_mirror(default: str) -> str:
    """The address packages come from: LAB_DEBIAN_MIRROR, the host's own mirror, or `default`.

    The host's own counts only where its apt has lists of Debian itself, not of a derivative.
    """
    if chosen := os.environ.get(MIRROR_VARIABLE):
        return chosen
    listed = _output(
        "apt-get",
        "indextargets",
        "--format",
        "$(ORIGIN)|$(LABEL)|$(REPO_URI)",
        "Created-By: Packages",
    )
    for line in listed.splitlines():
        origin, _, rest = line.partition("|")
        label, _, address = rest.partition("|")
        if (origin, label) == ("Debian", "Debian") and address.startswith("http"):
            return address
    return default


def apt_options() -> tuple[str, ...]:
    """Options for the apt that unpacks the image: proxies and the like of the host's apt.

    (Proxies in the environment reach it by themselves.)
    """
    options = [f'Acquire::Retries "{RETRIES}"']
    for name, value in _SETTING.findall(_output("apt-config", "dump")):
        if _WANTED.fullmatch(name) and value:
            options.append(f'{name} "{value}"')
    return tuple(options)


def _output(*argv: str) -> str:
    """What a program of apt prints; nothing where there is none (the host is no Debian)."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""
