"""The add-on `services`: kube-proxy and CoreDNS on each node, so that ClusterIPs and names work.

Both are units of the node, not pods: a node that boots while it is offline has them before its
pods, and pods that get other addresses then do not take the name server with them.
"""
