"""The add-on `pools`: edge nodes in node pools, with workloads and Services of each pool.

OpenYurt's yurt-manager is a unit of the server node; yurthub on edge nodes filters the endpoints of
Services by the pool of its node.
"""
