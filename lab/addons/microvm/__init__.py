"""The add-on `microvm`: a QEMU microVM as a pod's process, on nodes that offer virtualization.

A pod runs QEMU from the node's Debian, with the node's /dev/kvm; the microVM has its own kernel
with one program. This is not a container runtime: neither Kata nor Firecracker."""
