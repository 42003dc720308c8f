"""Benchmarks of the lab's own parts, each run as `python -m lab.bench.NAME`."""
