"""Fault plans that are observed and judged."""
