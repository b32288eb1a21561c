"""When to stop, and which epoch was the best: by the validation signers alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sigvault.training.validation import ValidationErrors


@dataclass
class EarlyStopping:
    """The best epoch so far.

    Attributes:
        criterion: ``mean`` of the validation errors, or the name of one.
        patience: epochs without a better one after which to stop; 0 never stops.
        best: the lowest value so far, or None.
        best_epoch: when that was, from 1; 0 for never.
        waited: epochs since.
    """

    criterion: str
    patience: int
    best: float | None = None
    best_epoch: int = 0
    waited: int = 0

    def note(self, epoch: int, errors: ValidationErrors | None) -> bool:
        """Take down an epoch's errors; says whether they are the lowest."""
        value = criterion_value(self.criterion, errors)
        if value is not None and (self.best is None or value < self.best):
            self.best, self.best_epoch, self.waited = value, epoch, 0
            return True
        self.waited += 1
        return False

    @property
    def over(self) -> bool:
        """Whether patience has run out."""
        return bool(self.patience) and self.best is not None and self.waited >= self.patience

    def state(self) -> dict[str, Any]:
        """What has to be kept to carry on."""
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        """Carry on from `state`."""
        self.best, self.best_epoch = state["best"], int(state["best_epoch"])
        self.waited = int(state["waited"])


def criterion_value(criterion: str, errors: ValidationErrors | None) -> float | None:
    """The number that is to fall, a share in [0, 1]; None if it can't be measured."""
    if errors is None:
        return None
    values: dict[str, float | None] = asdict(errors)
    if criterion != "mean":
        return values[criterion]
    known = [value for value in values.values() if value is not None]
    return sum(known) / len(known) if known else None
