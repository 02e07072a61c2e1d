"""Stands in for a provincial operator's source systems and partners, at their interfaces.

It imports nothing else of ours, so that an error in reading cannot agree with one in writing.
"""

from .errors import DamagedState, NotSimulated, OtherSimulation, SimulatorError, WrongSetting
from .partner import Answered, answer_exports
from .simulation import simulate, simulate_next_day
from .truth import Truth

__all__ = [
    "Answered",
    "DamagedState",
    "NotSimulated",
    "OtherSimulation",
    "SimulatorError",
    "Truth",
    "WrongSetting",
    "answer_exports",
    "simulate",
    "simulate_next_day",
]
