from __future__ import annotations

from dataclasses import replace

import pytest

from sigvault.domain.comparison import Rate
from sigvault.domain.fusion import FusionRule
from sigvault.domain.model_card import MeasuredRates, ModelCard


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(
        name="tiny",
        sha256="ab" * 32,
        architecture={},
        preprocessing={},
        preprocessing_name="sauvola-1",
        fusion=FusionRule(),
        training_data=(),
        training_digests=frozenset(),
        recipe={},
    )


def error(value: float) -> dict[str, object]:
    rate = {"value": value, "low": value / 2, "high": value * 2}
    return {"pooled": {"rate": rate, "threshold": 0.1}, "fold_mean": 1.0}


def test_a_model_that_was_not_released_has_no_rates(card: ModelCard):
    assert card.measured == ()


def test_the_pooled_rates_are_what_was_measured(card: ModelCard):
    with_forgeries = {
        "data": "a",
        "references": 1,
        "signers": 9,
        "skilled": error(0.2),
        "random": error(0.1),
    }
    without = {**with_forgeries, "data": "b", "references": 5, "skilled": None}
    released = replace(card, metrics={"by_folds": [with_forgeries, without]})
    assert released.measured == (
        MeasuredRates("a", 1, 9, Rate(0.2, 0.1, 0.4), Rate(0.1, 0.05, 0.2)),
        MeasuredRates("b", 5, 9, None, Rate(0.1, 0.05, 0.2)),
    )
