"""Jobs of KubeEdge that run on nodes, as ImagePrePullJob, by its controller manager."""
