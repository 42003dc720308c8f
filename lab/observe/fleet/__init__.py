"""What is seen of a control plane that carries a fleet."""
