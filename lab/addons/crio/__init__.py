"""The add-on `cri-o`: CRI-O instead of containerd on nodes with `cri: cri-o`. Not run on a node
yet."""
