"""A matrix of stacks, topologies and suites, cut into shards that run on a cluster or here."""
