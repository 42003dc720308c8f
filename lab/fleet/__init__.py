"""Fleets of hollow nodes beside a lab: kwok on the host stands for their kubelets."""
