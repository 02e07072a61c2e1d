"""Errors of the simulator.

SimulatorError
├── WrongSetting        seed or scale cannot be used
├── OtherSimulation     the home holds a simulation of another seed or scale
├── NotSimulated        the next day was asked for before the first delivery
├── DamagedState        the simulator's own state file cannot be read
└── PacketNotTaken      the service did not take a partner's packet
"""


class SimulatorError(Exception):
    """Root of the simulator's errors; `retryable` tells whether the same call may help."""

    retryable = False


class WrongSetting(SimulatorError):
    """A seed or scale outside what the simulator can produce."""


class OtherSimulation(SimulatorError):
    """The home was simulated with another seed or scale; nothing was changed."""


class NotSimulated(SimulatorError):
    """There is no earlier delivery to continue."""


class DamagedState(SimulatorError):
    """`simulator/state.json` or `simulator/truth.json` is not what the simulator wrote."""


class PacketNotTaken(SimulatorError):
    """The service could not be reached, or refused a packet."""

    retryable = True
