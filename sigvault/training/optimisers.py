"""Optimisers and schedulers of torch by name, with their own parameters."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn, optim
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from sigvault.domain.errors import ConfigurationError

Named = dict[str, bool | int | float | str | list[float] | list[int]]
"""A class's name under ``name``, and parameters of its constructor."""

OPTIMISERS = ("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "SGD")
PER_BATCH = ("OneCycleLR", "CyclicLR")
"""Schedulers that are stepped with every batch; all others with every epoch."""
SCHEDULERS = (
    *PER_BATCH,
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LinearLR",
    "MultiStepLR",
    "PolynomialLR",
    "StepLR",
)
_FILLED_IN = {"self", "params", "optimizer", "lr", "max_lr", "total_steps", "epochs", "last_epoch"}
_FILLED_IN |= {"steps_per_epoch"}


def check_names(optimiser: Named, scheduler: Named) -> None:
    """Refuse what torch doesn't know, before anything is read.

    Raises:
        ConfigurationError: Naming the entry and what it may be.
    """
    _check("optimisation.optimiser", optimiser, optim, OPTIMISERS)
    _check("optimisation.scheduler", scheduler, lr_scheduler, SCHEDULERS)
    needed = inspect.signature(getattr(lr_scheduler, str(scheduler["name"]))).parameters
    missing = [
        name
        for name, parameter in needed.items()
        if parameter.default is parameter.empty and name not in scheduler and name not in _FILLED_IN
    ]
    if missing:
        raise ConfigurationError(
            f"optimisation.scheduler: {scheduler['name']} needs {', '.join(missing)}"
        )


def _check(place: str, named: Named, module: Any, choices: tuple[str, ...]) -> None:  # noqa: ANN401
    name = named.get("name")
    if name not in choices:
        raise ConfigurationError(f"{place}.name is {name!r}: use one of {', '.join(choices)}")
    known = set(inspect.signature(getattr(module, str(name))).parameters) - _FILLED_IN
    odd = sorted(set(named) - {"name"} - known)
    if odd:
        raise ConfigurationError(
            f"{place}: {name} takes no {', '.join(odd)} here; it takes {', '.join(sorted(known))} "
            "(the learning rate is optimisation.learning_rate)"
        )


def build_optimiser(
    named: Named, rate: float, network: nn.Module, losses: Iterable[nn.Parameter]
) -> Optimizer:
    """The optimiser; the losses' own parameters never decay.

    Raises:
        ConfigurationError: If torch refuses a parameter's value.
    """
    groups: list[dict[str, Any]] = [
        {"params": list(network.parameters())},
        {"params": list(losses), "weight_decay": 0.0},
    ]
    if not groups[1]["params"]:
        del groups[1]
    try:
        made: Optimizer = getattr(optim, str(named["name"]))(groups, lr=rate, **_without(named))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"optimisation.optimiser: {error}") from error
    return made


def build_scheduler(named: Named, rate: float, optimiser: Optimizer, steps: int) -> LRScheduler:
    """The scheduler; ``steps`` is how many batches the whole run has.

    Raises:
        ConfigurationError: If torch refuses a parameter's value.
    """
    filled: dict[str, Any] = {}
    if named["name"] in PER_BATCH:
        filled["max_lr"] = rate
    if named["name"] == "OneCycleLR":
        filled["total_steps"] = steps
    try:
        made: LRScheduler = getattr(lr_scheduler, str(named["name"]))(
            optimiser, **filled, **_without(named)
        )
    except ZeroDivisionError as error:
        raise ConfigurationError(
            f"optimisation.scheduler: {named['name']} has a phase without a batch, for the whole "
            f"run has {steps}: raise optimisation.epochs or batch.per_epoch, or its pct_start"
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"optimisation.scheduler: {error}") from error
    return made


def _without(named: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in named.items() if name != "name"}
