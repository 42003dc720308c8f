"""The add-ons `metrics` and `metrics-…`: metrics of edge nodes, with their history, in the cloud.

`metrics` is what serves samples on each edge node, and what takes them on the server. Each sender
in between is an add-on of its own, so that a topology lists those that it wants, and several of
them are seen beside each other in one outage.
"""
