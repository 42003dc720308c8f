"""Observations of a lab as data that can be stored and judged later."""
