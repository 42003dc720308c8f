"""Faults: described as data, injected and healed with proof, recorded in a journal.

`fault` has the base class of all faults, `families` the kinds and their injectors, `catalog` lists
the families. `plan` reads schedules of faults; `engine` injects and heals faults in a lab.
"""
