"""The add-on `functions`: an event of a device wakes a function on its node, online or not.

ways        how a function is woken, as data
broker      NATS JetStream on edge nodes and on the server
parts       what watches devices and what wakes functions
pods        functions that are pods
records     the logs of both as data; `counting` compares them
"""
