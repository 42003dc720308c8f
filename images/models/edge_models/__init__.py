"""Programs of the add-on `models` on nodes.

states      what is wanted and what has become of it, on one node: pure
gate        compares two models on live samples: pure
rollout     which node is told next: pure
store       versions of a model on disk, each complete or absent
registry    fetches versions from a registry, verified by digest
agent       fetches, compares, promotes and rolls back
serve       answers inference requests
feed        requests an inference for each step of a device
operator    the operator of EdgeModel objects, on the server; needs kopf
"""
