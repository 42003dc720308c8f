"""Twins: does the cluster know what the devices show, and do the devices what it asks for?"""
