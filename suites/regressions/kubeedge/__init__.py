"""Field bugs of KubeEdge that need a broken link or a reboot to reproduce."""
