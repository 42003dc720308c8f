"""Failures reported from the field, each by its number in the tracker."""
