#!/bin/sh
# Prints the key of a CI's cache: the pinned components, and the QEMU that checkpoints fit.
# LAB_LOCK is the lock file; in a repository of your own, that of the edge-lab which you install.
set -eu

lock=${LAB_LOCK:-images/artifacts.lock}
digest=$(sha256sum "$lock" | cut -c 1-16)
qemu=$(qemu-system-x86_64 --version | sed -n '1s/^QEMU emulator version \([0-9.]*\).*/\1/p')
echo "$digest-qemu-${qemu:-none}"
