"""Stands in for a provincial operator's source systems and partners, at their interfaces.

It imports nothing else of ours, so that an error in reading cannot agree with one in writing.
"""

from .calling import Service, send_packets, take_exports, waiting_packets
from .errors import (
    DamagedState,
    NotSimulated,
    OtherSimulation,
    PacketNotTaken,
    SimulatorError,
    WrongSetting,
)
from .partner import Answered, answer_exports
from .simulation import simulate, simulate_next_day
from .truth import Truth

__all__ = [
    "Answered",
    "DamagedState",
    "NotSimulated",
    "OtherSimulation",
    "PacketNotTaken",
    "Service",
    "SimulatorError",
    "Truth",
    "WrongSetting",
    "answer_exports",
    "send_packets",
    "simulate",
    "simulate_next_day",
    "take_exports",
    "waiting_packets",
]
