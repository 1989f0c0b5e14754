"""What goes wrong, in words. In a notebook these show their words alone, without a traceback of our own code."""

from __future__ import annotations


class SimulationError(RuntimeError):
    """Something about a simulation that the person can read and act on."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class InstallationError(SimulationError):
    """McStas, McXtrace or the C compiler is not here, or no folder takes programs."""


class InstrumentError(SimulationError):
    """The instrument is not right: it does not translate or compile, or a parameter does not exist."""


class RunError(SimulationError):
    """The compiled instrument ended badly, or what it wrote cannot be read."""


class Cancelled(SimulationError):
    """The person pressed *Cancel*."""


class ComparisonError(SimulationError):
    """Two curves that cannot be laid over each other."""
