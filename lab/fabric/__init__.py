"""The fabric: all links of a lab, and the only place where a fault affects a frame.

A separate process (`python -m edge_lab.fabric`) carries Ethernet frames between UDP ports of the
loopback interface.  The rest of the lab writes its `FabricConfig` and controls it through a
`FabricClient`.
"""

from edge_lab.fabric.client import FabricClient
from edge_lab.fabric.config import FabricConfig, LinkConfig
from edge_lab.fabric.counters import Counters, LinkCounters, Reason
from edge_lab.fabric.impairment import GilbertElliott, Impairment
from edge_lab.fabric.state import CLEAR, CUT, DROP, Direction, DirectionState, Match, Mode
from edge_lab.fabric.status import LinkStatus

__all__ = [
    "CLEAR",
    "CUT",
    "DROP",
    "Counters",
    "Direction",
    "DirectionState",
    "FabricClient",
    "FabricConfig",
    "GilbertElliott",
    "Impairment",
    "LinkConfig",
    "LinkCounters",
    "LinkStatus",
    "Match",
    "Mode",
    "Reason",
]
