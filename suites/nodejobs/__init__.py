"""Jobs of KubeEdge on nodes, with and without a node that is away."""
