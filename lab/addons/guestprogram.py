"""Programs that are copied to nodes as they are; they use only the standard library of Python."""

from __future__ import annotations

from importlib.resources import files

PYTHON = ("/usr/bin/python3", "-I")
"""How nodes run them: without the user's packages and environment."""


def guest_program(package: str, name: str) -> str:
    """The text of the program `name` in a package of the lab."""
    return files(package).joinpath(f"{name}.py").read_text(encoding="utf-8")
