"""How long a pod takes to start, stage by stage, and whether it was placed where it may be."""
