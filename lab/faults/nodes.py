"""For suites: how the cure of a killed service is worded."""

from edge_lab.faults.families.node.services import STARTED_BY_HAND as STARTED_BY_HAND
