"""A lab that is up, as data: state, machines, links, status and picture."""
