"""Failures that others met in the field, each by the name that its tracker gives it."""
