"""The add-on `functions-keda`: functions that KEDA wakes from the cloud, one on each edge node.

KEDA's operator runs on the server. It asks the broker of each edge node how many events wait, and
scales a Deployment that is bound to the node from 0 to 1 and back.
"""
