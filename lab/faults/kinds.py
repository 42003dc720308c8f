"""The kinds of faults that come with edge-lab, for suites to import.

Each family has its kinds in `edge_lab.faults.families`; `edge_lab.faults.catalog` also lists those
of other packages.
"""

from edge_lab.faults.anyfault import FAULT, AnyFault
from edge_lab.faults.families.authority.kinds import AuthorityStage, ReplaceAuthority
from edge_lab.faults.families.certificate.kinds import ReplaceCertificate
from edge_lab.faults.families.device.kinds import OnDevice
from edge_lab.faults.families.link.kinds import (
    Cut,
    Directions,
    Drop,
    Flap,
    HalfOpen,
    Impair,
    LinkFault,
    Profile,
)
from edge_lab.faults.families.memory.kinds import (
    MemoryBalloon,
    MemoryFault,
    MemoryHog,
    MemoryLeak,
    PageCache,
)
from edge_lab.faults.families.node.kinds import (
    ClockJump,
    ClockSkew,
    DiskFull,
    FilesExhausted,
    Freeze,
    Kill,
    NodeFault,
    Pause,
    PidsExhausted,
    PowerOff,
    Reboot,
    SlowDisk,
)
from edge_lab.faults.families.serial.kinds import (
    SerialBreak,
    SerialFault,
    SerialLoss,
    SerialNoise,
    SerialParity,
)
from edge_lab.faults.fault import Fault

__all__ = [
    "FAULT",
    "AnyFault",
    "AuthorityStage",
    "ClockJump",
    "ClockSkew",
    "Cut",
    "Directions",
    "DiskFull",
    "Drop",
    "Fault",
    "FilesExhausted",
    "Flap",
    "Freeze",
    "HalfOpen",
    "Impair",
    "Kill",
    "LinkFault",
    "MemoryBalloon",
    "MemoryFault",
    "MemoryHog",
    "MemoryLeak",
    "NodeFault",
    "OnDevice",
    "PageCache",
    "Pause",
    "PidsExhausted",
    "PowerOff",
    "Profile",
    "Reboot",
    "ReplaceAuthority",
    "ReplaceCertificate",
    "SerialBreak",
    "SerialFault",
    "SerialLoss",
    "SerialNoise",
    "SerialParity",
    "SlowDisk",
]
