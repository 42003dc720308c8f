"""The add-on `gvisor`: containers in gVisor's sandbox, for pods that ask for it.

The sandbox has a kernel of its own, runsc, with a network stack of its own; it comes from Debian,
and containerd runs it through the component `edge-runsc` (images/go/runsc).
"""
