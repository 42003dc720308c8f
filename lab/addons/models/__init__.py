"""The add-on `models`: machine-learning models on edge nodes, and their updates.

versions     the models of the lab, as functions of the device's values
content      the same as OCI artifacts, in the registry of the add-on `cache`
programs     what runs on nodes (images/models): agent, inference server, feed, operator
objects      the kinds EdgeModel and ModelNode, and who may change them
records      journals of nodes as data
"""
