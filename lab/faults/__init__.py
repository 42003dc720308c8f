"""Faults on purpose: as data, injected with proof, healed with proof, written down.

`kinds` says what can be done to a lab; `engine` does it; `plan` reads schedules of it.
"""
