"""Is the lab what its topology says, and does each part of it work?"""
