"""The add-on `gvisor`: containers in gVisor's sandbox, for pods that request it.

The sandbox has its own kernel, runsc, with its own network stack; it comes from Debian, and
containerd runs it through the component `edge-runsc` (images/go/runsc).
"""
