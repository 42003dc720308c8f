"""Tests of the add-ons `metrics` and `metrics-…`."""
