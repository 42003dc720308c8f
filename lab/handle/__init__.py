"""A running lab as data: state, machines, links, status and picture."""
