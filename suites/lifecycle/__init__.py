"""Saving and restoring a lab, and the consequences of failures."""
