"""Benchmarks of the lab's own parts, each run as `python -m edge_lab.bench.NAME`."""
