"""Verdicts on models at the edge.

evidence    what was seen on one node, in one scenario
requests    each step of the device gets an answer of one whole version
updates     interrupted updates, refusals, rollbacks
cloud       what the cloud says beside what runs; the order of a rollout; latencies
"""
