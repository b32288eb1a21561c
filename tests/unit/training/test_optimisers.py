"""Optimisers and schedulers by name: what is built, when it is stepped, what is refused."""

from __future__ import annotations

import inspect
import math

import pytest
import torch
from torch import nn, optim
from torch.optim import lr_scheduler

from sigvault.domain.errors import ConfigurationError
from sigvault.training.optimisers import (
    OPTIMISERS,
    PER_BATCH,
    SCHEDULERS,
    Named,
    build_optimiser,
    build_scheduler,
    check_names,
)

NEEDED: dict[str, Named] = {
    "CyclicLR": {"base_lr": 1e-5, "cycle_momentum": False},
    "CosineAnnealingLR": {"T_max": 5},
    "CosineAnnealingWarmRestarts": {"T_0": 5},
    "ExponentialLR": {"gamma": 0.9},
    "MultiStepLR": {"milestones": [2, 4]},
    "StepLR": {"step_size": 2},
}
ADAM: Named = {"name": "Adam"}
CONSTANT: Named = {"name": "ConstantLR"}


def network() -> nn.Module:
    return nn.Linear(3, 2)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_is_built_and_steps(name: str):
    layer = network()
    made = build_optimiser({"name": name, "weight_decay": 0.01}, 0.05, layer, [])
    assert isinstance(made, getattr(optim, name))
    before = layer.weight.detach().clone()
    layer(torch.ones(4, 3)).sum().backward()
    made.step()
    assert not torch.equal(before, layer.weight)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_is_built_and_steps(name: str):
    named: Named = {"name": name, **NEEDED.get(name, {})}
    check_names(ADAM, named)
    optimiser = build_optimiser(ADAM, 0.1, network(), [])
    scheduler = build_scheduler(named, 0.1, optimiser, steps=8)
    assert isinstance(scheduler, getattr(lr_scheduler, name))
    rates = []
    for _ in range(7):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    assert len(set(rates)) > 1
    assert all(0 <= rate <= 0.1 + 1e-12 for rate in rates)


def test_a_parameter_that_has_to_be_given_is_asked_for():
    for name in SCHEDULERS:
        bare: Named = {"name": name}
        if name in NEEDED:
            with pytest.raises(ConfigurationError, match=next(iter(NEEDED[name]))):
                check_names(ADAM, bare)
        else:
            check_names(ADAM, bare)


def test_one_cycle_rises_to_the_rate_and_falls_far_below_where_it_began():
    """The notebook built this schedule and never stepped it."""
    assert "OneCycleLR" in PER_BATCH
    optimiser = build_optimiser(ADAM, 1e-3, network(), [])
    named: Named = {
        "name": "OneCycleLR",
        "pct_start": 0.2,
        "div_factor": 10.0,
        "final_div_factor": 1e4,
    }
    scheduler = build_scheduler(named, 1e-3, optimiser, steps=50)
    rates = []
    for _ in range(50):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        if len(rates) < 50:
            scheduler.step()
    assert rates[0] == pytest.approx(1e-4)
    assert max(rates) == pytest.approx(1e-3)
    assert rates.index(max(rates)) == 9
    assert rates[-1] == pytest.approx(1e-8)


def test_the_losses_own_parameters_never_decay():
    layer, scale = network(), nn.Parameter(torch.tensor(2.0))
    made = build_optimiser({"name": "SGD", "weight_decay": 0.5}, 0.1, layer, [scale])
    for parameter in (layer.weight, layer.bias, scale):
        parameter.grad = torch.zeros_like(parameter)
    before = layer.weight.detach().clone()
    made.step()
    assert float(scale.detach()) == 2.0
    assert torch.allclose(layer.weight, before * 0.95)
    assert len(build_optimiser(ADAM, 0.1, network(), []).param_groups) == 1


@pytest.mark.parametrize(
    ("optimiser", "scheduler", "named"),
    [
        ({"name": "LBFGS"}, CONSTANT, r"optimisation\.optimiser\.name is 'LBFGS'.*AdamW"),
        ({}, CONSTANT, r"optimisation\.optimiser\.name is None"),
        ({"name": "Adam", "momentum": 0.9}, CONSTANT, "Adam takes no momentum"),
        ({"name": "Adam", "lr": 0.1}, CONSTANT, "takes no lr here.*learning_rate"),
        (ADAM, {"name": "ReduceLROnPlateau"}, r"optimisation\.scheduler\.name"),
        (ADAM, {"name": "OneCycleLR", "max_lr": 1.0}, "takes no max_lr"),
        (ADAM, {"name": "OneCycleLR", "total_steps": 9}, "takes no total_steps"),
        (ADAM, {"name": "StepLR", "step_sise": 2}, "takes no step_sise"),
        (ADAM, {"name": "StepLR"}, "StepLR needs step_size"),
    ],
)
def test_what_torch_does_not_know_is_named(optimiser: Named, scheduler: Named, named: str):
    with pytest.raises(ConfigurationError, match=named):
        check_names(optimiser, scheduler)


def test_a_value_that_torch_refuses_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match=r"optimisation\.optimiser"):
        build_optimiser({"name": "Adam", "betas": [2.0, 0.9]}, 0.1, network(), [])
    optimiser = build_optimiser(ADAM, 0.1, network(), [])
    with pytest.raises(ConfigurationError, match=r"optimisation\.scheduler"):
        build_scheduler({"name": "OneCycleLR", "pct_start": 7.0}, 0.1, optimiser, steps=4)


def test_a_run_too_short_for_its_schedule_is_said_so():
    optimiser = build_optimiser(ADAM, 0.1, network(), [])
    with pytest.raises(ConfigurationError, match=r"run has 5: raise optimisation\.epochs"):
        build_scheduler({"name": "OneCycleLR", "pct_start": 0.2}, 0.1, optimiser, steps=5)


def test_all_names_are_torch_s():
    for module, names in ((optim, OPTIMISERS), (lr_scheduler, SCHEDULERS)):
        for name in names:
            assert inspect.isclass(getattr(module, name))
    assert math.isclose(build_optimiser(ADAM, 0.1, network(), []).param_groups[0]["lr"], 0.1)
