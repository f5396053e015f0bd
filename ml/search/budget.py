"""Budgets of searches: device seconds, or a multiple of a full training of the cheapest candidate.

The second scales with the data: a catalog with ten times the images has ten times the budget. This module does not
import PyTorch.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

FULL_TRAININGS = "full training of the cheapest candidate"
UNITS_S = {"s": 1.0, "min": 60.0, "h": 3600.0}
_NUMBER = r"(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
_RELATIVE = re.compile(rf"{_NUMBER}\s*x\s*full\s+trainings?\s+of\s+the\s+cheapest\s+candidate", re.IGNORECASE)
_SECONDS = re.compile(rf"{_NUMBER}\s*(?P<unit>s|min|h)?", re.IGNORECASE)
WAYS = (
    f"a positive number of device seconds, a number with a unit ({', '.join(UNITS_S)}), or 'NUMBER x {FULL_TRAININGS}'"
)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limit of the device seconds of a search; exactly one of the fields is set.

    Args:
        seconds: Device seconds.
        full_trainings: Multiple of the device seconds of a full training of the cheapest candidate of the first
            bracket, which are measured by a few training steps of each encoder when it is probed.

    Raises:
        ValueError: Both or none is set, or the value is not positive and finite.
    """

    seconds: float | None = None
    full_trainings: float | None = None

    def __post_init__(self) -> None:
        given = {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}
        if len(given) != 1:
            raise ValueError(f"a budget has exactly one of 'seconds' and 'full_trainings'; got {given or 'none'}")
        [value] = given.values()
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise ValueError(f"a budget is {WAYS}; got {value!r}")

    @classmethod
    def parse(cls, value: Any) -> "Budget":
        """Builds a budget from a number of seconds, a text, or its own fields.

        Raises:
            ValueError: It is none of these; the message has the value and what is allowed.
        """
        if isinstance(value, Budget):
            return value
        if isinstance(value, Mapping):
            if unknown := set(value) - {field.name for field in fields(cls)}:
                raise ValueError(f"a budget is {WAYS}; got the keys {sorted(unknown)}")
            return cls(**value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return cls(seconds=float(value))
        if isinstance(value, str):
            if found := _RELATIVE.fullmatch(value.strip()):
                return cls(full_trainings=float(found["number"]))
            if found := _SECONDS.fullmatch(value.strip()):
                return cls(seconds=float(found["number"]) * UNITS_S[(found["unit"] or "s").lower()])
        raise ValueError(f"a budget is {WAYS}; got {value!r}")

    def in_seconds(self, cheapest_training_s: float | None) -> float:
        """Returns the device seconds; infinity as long as a relative budget has no measured training to refer to.

        Args:
            cheapest_training_s: Predicted device seconds of a full training of the cheapest candidate, if known.
        """
        if self.seconds is not None:
            return self.seconds
        if self.full_trainings is None or cheapest_training_s is None:
            return math.inf
        return self.full_trainings * cheapest_training_s

    def __str__(self) -> str:
        """Returns the budget as a person writes it."""
        if self.seconds is not None:
            return f"{self.seconds:g} device seconds"
        return f"{self.full_trainings:g} x {FULL_TRAININGS}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Lets pydantic read budgets of a project's file by `parse`."""
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(cls.parse)
