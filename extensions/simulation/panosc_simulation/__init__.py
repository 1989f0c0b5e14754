"""McStas and SIMEX from a notebook: compiled once, with progress and cancel, in runs that survive, results as NeXus."""

from .comparison import Comparison, compare
from .detached import Run, attach, cancel, resume, runs, submit, submit_command
from .errors import Cancelled, ComparisonError, InstallationError, InstrumentError, RunError, SimulationError
from .monitors import Axis, Monitor
from .result import Result
from .simulate import run, scan

__version__ = "0.1.0"

__all__ = [
    "Axis",
    "Cancelled",
    "Comparison",
    "ComparisonError",
    "InstallationError",
    "InstrumentError",
    "Monitor",
    "Result",
    "Run",
    "RunError",
    "SimulationError",
    "attach",
    "cancel",
    "compare",
    "resume",
    "run",
    "runs",
    "scan",
    "submit",
    "submit_command",
]
