"""Debian packages unpacked on the host, for programs that run on nodes.

apt downloads them from the suite and mirror of the node's root image and verifies signatures; no
root image has to be rebuilt for them. No program of the guest is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from edge_lab.artifacts.debianmirror import apt_options, debian_mirror
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import cache_home, mark_used
from edge_lab.core.step import step
from edge_lab.images import recipe
from edge_lab.images.contained import check_namespaces, need_tools, run_contained
from edge_lab.images.scratch import building, discard
from edge_lab.topology import Arch

KIND = "unpacked"
DIGITS = 16


def unpacked_place(cache: Path, arch: Arch, packages: Sequence[str]) -> Path:
    """The folder in a cache for these packages."""
    suite = recipe.load_recipe().architectures[arch].suite
    digest = hashlib.sha256(f"{suite} {','.join(packages)}".encode()).hexdigest()[:DIGITS]
    return cache / KIND / f"{arch.value}-{digest}"


def unpacked(arch: Arch, packages: Sequence[str], deadline: Deadline) -> Path:
    """A folder with these packages and all their dependencies; from the cache, if it exists.

    Raises:
        LabError: a tool, a permission, the mirror or the package is missing.
    """
    what = recipe.load_recipe()
    ours = what.architectures[arch]
    named = ",".join(packages)
    target = unpacked_place(cache_home(), arch, packages)
    if target.is_dir():
        mark_used(target)
        return target
    with step(f"unpack {named} for {arch.value}") as this:
        need_tools(["setpriv", "unshare", "mmdebstrap"])
        check_namespaces()
        log = cache_home() / "logs" / f"{KIND}-{arch.value}.log"
        mirror = debian_mirror(what.mirror)
        options = list(apt_options())
        if not ours.check_valid_until:
            options.append('Acquire::Check-Valid-Until "false"')
        with building(KIND, deadline, this) as scratch:
            root = scratch / "root"
            argv = ["mmdebstrap", "--variant=extract", "--mode=root", "--format=directory"]
            argv += [f"--architectures={arch.debian}", f"--include={named}"]
            argv += [f"--aptopt={option}" for option in options]
            argv += ["--skip=output/mknod", "--skip=chroot/mount", ours.suite, str(root)]
            try:
                run_contained(
                    [*argv, f"deb {mirror} {ours.suite} main"],
                    what=f"unpacking {named} for {arch.value}",
                    log=log,
                    deadline=deadline,
                    env={"TMPDIR": str(scratch)},
                )
            except LabError as trouble:
                trouble.remedy = trouble.remedy or f"See {log}."
                raise
            discard(root / "var")
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.is_dir():
                root.rename(target)
    return target
