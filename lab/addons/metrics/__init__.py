"""The add-ons `metrics` and `metrics-…`: metrics of edge nodes in the cloud, without gaps.

`metrics` installs an exporter on each edge node, and the receiver on the server. Each sender in
between is a separate add-on, so that a topology lists those that it needs, and several can be
compared in one outage.
"""
