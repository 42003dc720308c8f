"""Tests that are specific to one stack."""
