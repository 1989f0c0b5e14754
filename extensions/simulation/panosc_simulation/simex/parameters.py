"""Parameters of calculators, with their units and the values that make sense."""

from __future__ import annotations

from typing import Any, NamedTuple

from libpyvinyl import CalculatorParameters


class Parameter(NamedTuple):
    """One parameter: a value outside its interval is refused by libpyvinyl."""

    name: str
    value: float
    unit: str
    low: float
    high: float
    comment: str


def declare(*declared: Parameter) -> Any:
    """A calculator's parameters. A value with a unit (pint) is converted; a plain number is in the parameter's own."""
    made = CalculatorParameters()
    for one in declared:
        parameter = made.new_parameter(one.name, unit=one.unit, comment=one.comment)
        parameter.value = one.value
        parameter.add_interval(one.low, one.high, True)
    return made


def listed(parameters: Any) -> list[tuple[str, Any, str, str]]:
    """Name, value, unit and comment of each."""
    return [(one.name, one.value, str(one.unit or ""), str(one.comment or "")) for one in parameters]
