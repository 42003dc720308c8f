"""Faults on purpose: as data, injected with proof, healed with proof, written down.

`fault` is what every fault knows of itself, `families` has the kinds and what does them, `catalog`
lists the families. `plan` reads schedules of faults; `engine` injects and heals them in a lab.
"""
