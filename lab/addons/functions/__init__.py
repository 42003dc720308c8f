"""The add-on `functions`: events of a device wake functions on its node, online and offline.

ways        the ways of waking a function, as data
broker      NATS JetStream on edge nodes and on the server
parts       the other units: streams, source, activator and a function
pods        functions in pods
records     journals and records as data; `counting` compares them
"""
