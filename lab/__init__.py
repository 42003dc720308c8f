"""edge-lab: a hardware-in-the-loop test lab for edge Kubernetes."""

__version__ = "0.1.0"
