"""Disks of machines: overlays over shared images, which are never written to."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Literal

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError


def create_overlay(overlay: Path, backing: Path, backing_format: Literal["raw", "qcow2"]) -> None:
    """Creates an empty qcow2 over `backing`, replacing any file at `overlay`."""
    overlay.unlink(missing_ok=True)
    overlay.parent.mkdir(parents=True, exist_ok=True)
    _qemu_img(
        Deadline.scaled(60),
        *("create", "-q", "-f", "qcow2", "-F", backing_format, "-b", str(backing.resolve())),
        str(overlay),
    )


def flatten_overlay(overlay: Path, base: Path, target: Path, deadline: Deadline) -> None:
    """Copies `overlay` and all overlays below it into one qcow2 `target` over the raw `base`.

    For checkpoints, which must not depend on the run directory.  The machine that uses
    `overlay` must be stopped, or paused with its disks synced (libvirt's save does that).
    """
    draft = target.with_name(f"{target.name}.part")
    # Not `convert -B`: that copies only the content of the top overlay, without those below it.
    try:
        _copy_sparse(overlay, draft, deadline)
        _qemu_img(
            deadline,
            *("rebase", "-q", "-U", "-f", "qcow2"),
            *("-b", str(base.resolve()), "-F", "raw", str(draft)),
        )
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _copy_sparse(source: Path, target: Path, deadline: Deadline) -> None:
    deadline.check(f"copying {source.name}")
    try:
        done = subprocess.run(
            ["cp", "--sparse=always", "--", str(source), str(target)],
            capture_output=True,
            text=True,
            timeout=deadline.remaining,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise DeadlineExceeded(f"copying {source.name}: not done in time") from late
    if done.returncode:
        raise LabError(f"cannot copy {source}: {done.stderr.strip()}")


def _qemu_img(deadline: Deadline, *args: str) -> None:
    deadline.check(f"qemu-img {args[0]}")
    try:
        done = subprocess.run(
            ["qemu-img", *args],
            capture_output=True,
            text=True,
            timeout=deadline.remaining,
            check=False,
        )
    except FileNotFoundError as trouble:
        raise LabError(
            "qemu-img is not installed", remedy="As root: apt-get install qemu-utils"
        ) from trouble
    except subprocess.TimeoutExpired as late:
        raise DeadlineExceeded(f"qemu-img {args[0]}: not done in time") from late
    if done.returncode:
        raise LabError(f"qemu-img {args[0]} failed: {done.stderr.strip()}")
