"""How the host reaches Debian: mirror and proxy of its apt configuration."""

from __future__ import annotations

import os
import re
import subprocess

MIRROR_VARIABLE = "LAB_DEBIAN_MIRROR"
"""Environment variable that overrides all other sources of packages, for example a snapshot."""

RETRIES = 3

_SETTING = re.compile(r'(Acquire::\S+) "(.*)";')
_WANTED = re.compile(
    r"Acquire::(https?::(\S*::)?(Proxy\S*|Verify-\S+|CaInfo)|Force-?IPv[46]|\S*::Timeout)",
    re.IGNORECASE,
)


def debian_mirror(default: str) -> str:
    """The address of packages: LAB_DEBIAN_MIRROR, the host's mirror, or `default`.

    The host's mirror is used only if its apt has lists of Debian itself, not of a derivative.
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
    """Options for the apt that unpacks the image, such as proxies, from the host's apt.

    (It uses proxies in the environment anyway.)
    """
    options = [f'Acquire::Retries "{RETRIES}"']
    for name, value in _SETTING.findall(_output("apt-config", "dump")):
        if _WANTED.fullmatch(name) and value:
            options.append(f'{name} "{value}"')
    return tuple(options)


def _output(*argv: str) -> str:
    """The output of a program of apt; empty if it does not exist (the host is not Debian)."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout if done.returncode == 0 else ""
