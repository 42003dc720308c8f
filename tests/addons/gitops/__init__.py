"""Tests of the add-on `gitops`."""
