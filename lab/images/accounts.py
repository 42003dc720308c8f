"""passwd, group and shadow of a root disk, which scripts of packages would normally write."""

from __future__ import annotations

from pathlib import Path

from edge_lab.core.errors import LabError
from edge_lab.images.recipe import Recipe

MASTERS = Path("usr/share/base-passwd")
NOLOGIN = "/usr/sbin/nologin"
_DECLARED = ("u", "u!", "g")


def write_accounts(root: Path, recipe: Recipe) -> None:
    """Writes the account files below `root`, from Debian's templates and the recipe.

    No account has a password; sshd decides who may log in with a key.

    Raises:
        LabError: a package declares (sysusers.d) an account that the recipe lacks.
    """
    passwd = _master(root, "passwd")
    group = _master(root, "group")
    for user in recipe.users:
        if not user.group:
            group.append(f"{user.name}:x:{user.id}:")
    group += [f"{entry.name}:x:{entry.id}:" for entry in recipe.groups]
    number = {line.split(":")[0]: line.split(":")[2] for line in group}
    for user in recipe.users:
        gid = number.get(user.group or user.name)
        if gid is None:
            raise LabError(f"the recipe's user {user.name} has an unknown group {user.group!r}")
        passwd.append(f"{user.name}:x:{user.id}:{gid}:{user.comment}:{user.home}:{NOLOGIN}")
    users = [line.split(":")[0] for line in passwd]
    lacking = _declared(root) - {*users, *number}
    if lacking:
        raise LabError(
            f"the packages need accounts that the recipe lacks: {', '.join(sorted(lacking))}",
            remedy="Add them to users: or groups: in images/root/recipe.yaml.",
        )
    _write(root / "etc/passwd", passwd, 0o644)
    _write(root / "etc/group", group, 0o644)
    # "*": no password matches; with "!", sshd without PAM would refuse keys, too.
    _write(root / "etc/shadow", [f"{name}:*:19000:0:99999:7:::" for name in users], 0o600)
    _write(root / "etc/gshadow", [f"{name}:*::" for name in number], 0o600)


def _master(root: Path, name: str) -> list[str]:
    """The lines of Debian's template, with passwords moved to the shadow file."""
    file = root / MASTERS / f"{name}.master"
    try:
        text = file.read_text(encoding="ascii")
    except OSError as trouble:
        raise LabError(f"base-passwd has no {name}.master: {trouble}") from trouble
    lines = []
    for line in text.splitlines():
        account, _, *rest = line.split(":")
        lines.append(":".join((account, "x", *rest)))
    return lines


def _declared(root: Path) -> set[str]:
    """Names of all users and groups that packages declare for systemd-sysusers."""
    names = set()
    for file in sorted((root / "usr/lib/sysusers.d").glob("*.conf")):
        for line in file.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if words and words[0] in _DECLARED:
                names.add(words[1])
    return names


def _write(file: Path, lines: list[str], mode: int) -> None:
    file.unlink(missing_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    file.chmod(mode)
