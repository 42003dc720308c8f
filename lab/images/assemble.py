"""Builds one root disk in a scratch folder. Runs as root of separate namespaces (contained.py).

    python -m edge_lab.images.assemble plan.json

No program of the guest is run, so that a foreign architecture takes no longer than the host's:
mmdebstrap unpacks the packages, and the work of their scripts is done from outside.  Lines that
begin with "== " report progress.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from edge_lab.core.errors import LabError
from edge_lab.images.accounts import write_accounts
from edge_lab.images.ext4 import make_ext4
from edge_lab.images.initramfs import build_initramfs, needed_modules
from edge_lab.images.recipe import INITRAMFS, Recipe, load_recipe, recipe_files
from edge_lab.topology import Arch

PACKAGES = "packages.txt"
"""In the scratch folder: the file names of all packages, which contain their versions."""

LABEL = "root"
_CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
EXIT_DISK_FULL = 28


class Plan(BaseModel):
    """The parameters of a run, which creates disk.raw, kernel, initrd and busybox in `result`."""

    model_config = ConfigDict(frozen=True)

    arch: Arch
    folder: Path
    """Of the recipe."""
    scratch: Path
    result: Path
    mirror: str
    apt_options: tuple[str, ...] = ()
    variant: str = ""
    """The variant of the recipe; empty for the common image."""


def assemble(plan: Plan) -> None:
    """Runs all steps in order."""
    recipe = load_recipe(plan.folder).variant(plan.variant)
    root = plan.scratch / "root"
    _tell("unpacking packages")
    _unpack(plan, recipe, root)
    _tell("settling in")
    kernel = _kernel_version(root)
    vmlinuz = _kernel_image(root, kernel)
    _remove(root, recipe.remove)
    _put_files(plan, recipe, root)
    write_accounts(root, recipe)
    _certificates(root)
    for path in recipe.directories:
        (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
    for path, target in recipe.links.items():
        _link(root / path.lstrip("/"), target)
    _enable(root, recipe)
    _trim_modules(root, kernel, recipe)
    _tell("packing the initial RAM disk")
    busybox = (root / "usr/bin/busybox").read_bytes()
    script = (plan.folder / INITRAMFS / "init").read_bytes()
    modules = needed_modules(root, kernel, recipe.modules)
    (plan.result / "initrd").write_bytes(build_initramfs(busybox, script, modules))
    (plan.result / "busybox").write_bytes(busybox)
    shutil.move(vmlinuz, plan.result / "kernel")
    # depmod has run, and the guest boots with an external kernel.
    shutil.rmtree(root / "boot")
    (root / "boot").mkdir()
    _tell("writing the disk")
    make_ext4(plan.result / "disk.raw", root, mib=recipe.disk, label=LABEL)
    _tell("clearing up")
    shutil.rmtree(root)


def _unpack(plan: Plan, recipe: Recipe, root: Path) -> None:
    ours = recipe.architectures[plan.arch]
    options = list(plan.apt_options)
    if not ours.check_valid_until:
        options.append('Acquire::Check-Valid-Until "false"')
    hook = f'ls "$1"/var/cache/apt/archives >{shlex.quote(str(plan.scratch / PACKAGES))}'
    _run(
        *("mmdebstrap", "--variant=extract", "--mode=root", "--format=directory"),
        f"--architectures={plan.arch.debian}",
        # In a comma-separated list with other names, this one would hide the rest.
        "--include=?essential",
        f"--include={','.join(recipe.packages_for(plan.arch))}",
        *(f"--aptopt={option}" for option in options),
        *("--skip=output/mknod", "--skip=chroot/mount"),
        f"--extract-hook={hook}",
        *(ours.suite, str(root), f"deb {plan.mirror} {ours.suite} main"),
        env={**os.environ, "TMPDIR": str(plan.scratch)},
    )


def _kernel_version(root: Path) -> str:
    found = sorted(path.name for path in (root / "usr/lib/modules").iterdir())
    if len(found) != 1:
        raise LabError(f"the packages contain {len(found)} kernels instead of one: {found}")
    return found[0]


def _kernel_image(root: Path, kernel: str) -> Path:
    places = (root / f"boot/vmlinuz-{kernel}", root / f"usr/lib/modules/{kernel}/vmlinuz")
    for place in places:
        if place.is_file():
            return place
    raise LabError(f"the image of kernel {kernel} was not found")


def _remove(root: Path, patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        # Unlike Path.glob, this also finds dangling links.
        for name in sorted(glob.glob(pattern, root_dir=root, include_hidden=True)):  # noqa: PTH207
            path = root / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _trim_modules(root: Path, kernel: str, recipe: Recipe) -> None:
    """Removes modules that the recipe does not keep, except for dependencies of those kept."""
    folder = root / "usr/lib/modules" / kernel
    _run("depmod", "-b", str(root), kernel)
    needs: dict[str, list[str]] = {}
    for line in (folder / "modules.dep").read_text(encoding="ascii").splitlines():
        module, _, rest = line.partition(":")
        needs[module] = rest.split()
    kept = {
        path.relative_to(folder).as_posix()
        for pattern in recipe.keep_modules
        for path in (folder / "kernel").glob(pattern)
    }
    needed = needed_modules(root, kernel, recipe.modules)
    kept |= {file.resolve().relative_to(folder.resolve()).as_posix() for file in needed}
    kept |= {other for module in kept for other in needs.get(module, ())}
    for module in needs.keys() - kept:
        (folder / module).unlink()
    _run("depmod", "-b", str(root), kernel)


def _put_files(plan: Plan, recipe: Recipe, root: Path) -> None:
    for file in recipe_files(recipe, plan.arch, plan.folder):
        target = root / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copyfile(file.source, target)
        target.chmod(file.mode)


def _certificates(root: Path) -> None:
    """Creates the file of all of Mozilla's authorities, like update-ca-certificates."""
    target = root / _CERTIFICATES
    target.parent.mkdir(parents=True, exist_ok=True)
    parts = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    target.write_bytes(b"".join(part.read_bytes().strip() + b"\n" for part in parts))


def _enable(root: Path, recipe: Recipe) -> None:
    """Creates the links itself, since `systemctl --root enable` would run programs of the guest."""
    folders = ("etc/systemd/system", "usr/lib/systemd/system")
    for target, units in recipe.enable.items():
        for unit in units:
            place = next((folder for folder in folders if (root / folder / unit).exists()), None)
            if place is None:
                raise LabError(f"the recipe enables {unit}, which no package or file provides")
            _link(root / f"etc/systemd/system/{target}.wants/{unit}", f"/{place}/{unit}")


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _run(*argv: str, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(argv, check=False, env=env, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise LabError(f"{argv[0]}: exit status {done.returncode}")


def _tell(text: str) -> None:
    print(f"== {text}", flush=True)


def main(argument: str) -> int:
    """Returns the exit status; an error is the last line of output."""
    os.umask(0o022)
    try:
        assemble(Plan.model_validate(json.loads(Path(argument).read_text(encoding="utf-8"))))
    except OSError as trouble:
        print(f"E: {trouble}", flush=True)
        return EXIT_DISK_FULL if trouble.errno in (errno.ENOSPC, errno.EDQUOT) else 1
    except LabError as trouble:
        print(f"E: {trouble}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
