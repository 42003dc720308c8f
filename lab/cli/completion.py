"""`lab --install-completion SHELL`: Typer's own option supports only the current shell."""

from __future__ import annotations

from typing import Any

import typer
from typer.completion import install_callback, show_callback
from typer.core import TyperGroup

from edge_lab.core.errors import InputError

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
_DO = {"--install-completion": install_callback, "--show-completion": show_callback}


class LabGroup(TyperGroup):
    """All commands; a shell after an option of completion overrides the current one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        option, equals, shell = (args[0] if args else "").partition("=")
        if option not in _DO or ctx.resilient_parsing:
            return super().parse_args(ctx, args)
        if not equals and len(args) > 1:
            shell = args[1]
        if shell in SHELLS:
            param = next(known for known in self.params if option in known.opts)
            _DO[option](ctx, param, shell)
        if shell or equals:
            raise InputError(
                f"there is no completion for the shell {shell!r}", remedy=_remedy(option)
            )
        try:
            return super().parse_args(ctx, args)
        except typer.Exit as trouble:
            if not trouble.exit_code:
                raise
            raise InputError(
                "there is no completion for the current shell", remedy=_remedy(option)
            ) from trouble


def _remedy(option: str) -> str:
    return f"Run `lab {option} SHELL` with one of: {', '.join(SHELLS)}."
