"""The add-on `microvm`: a QEMU microVM as a pod's process, on nodes that offer virtualization.

A pod runs QEMU, of the node's own Debian, with the node's /dev/kvm; what is in the microVM is a
kernel of its own with one program. It is no container runtime: neither Kata nor Firecracker.
"""
