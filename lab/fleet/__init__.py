"""Fleets of hollow nodes beside a lab: kwok on the host simulates their kubelets."""
