"""The add-on `services`: kube-proxy and CoreDNS on each node, so that ClusterIPs and names work.

Both are units of the node, not pods: a node that boots offline has them before its pods, and the
name server is not affected when pods get new addresses.
"""
