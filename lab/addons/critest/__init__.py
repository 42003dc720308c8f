"""The add-on `critest`: the validation suite of the Container Runtime Interface, on edge nodes."""
