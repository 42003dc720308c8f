"""A/B benchmarks: two checkouts, stacks, topologies or settings, interleaved on one machine."""
