"""KubeEdge's field bugs that need a broken wire or a machine that reboots to be seen."""
