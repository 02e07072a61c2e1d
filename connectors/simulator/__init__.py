"""Stands in for a provincial operator's source systems and writes their interfaces.

It imports nothing else of ours, so that an error in reading cannot agree with one in writing.
"""

from .errors import DamagedState, NotSimulated, OtherSimulation, SimulatorError, WrongSetting
from .simulation import simulate, simulate_next_day
from .truth import Truth

__all__ = [
    "DamagedState",
    "NotSimulated",
    "OtherSimulation",
    "SimulatorError",
    "Truth",
    "WrongSetting",
    "simulate",
    "simulate_next_day",
]
