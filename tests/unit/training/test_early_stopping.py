"""When a run stops, and which epoch it takes for the best."""

from __future__ import annotations

import pytest

from sigvault.training.early_stopping import EarlyStopping, criterion_value
from sigvault.training.validation import ValidationErrors


def errors(skilled: float | None, random: float | None = None) -> ValidationErrors:
    return ValidationErrors(skilled, random, None, None)


def test_it_stops_after_as_many_epochs_without_a_better_one_as_it_has_patience():
    stopping = EarlyStopping("skilled", patience=2)
    better = [
        stopping.note(epoch, errors(value))
        for epoch, value in enumerate((0.3, 0.2, 0.25, 0.2), start=1)
    ]
    assert better == [True, True, False, False]
    assert stopping.over
    assert (stopping.best, stopping.best_epoch, stopping.waited) == (0.2, 2, 2)


def test_a_better_epoch_begins_the_wait_anew():
    stopping = EarlyStopping("skilled", patience=2)
    for epoch, value in enumerate((0.3, 0.4, 0.2, 0.4), start=1):
        stopping.note(epoch, errors(value))
        assert not stopping.over
    stopping.note(5, errors(0.4))
    assert stopping.over


def test_without_patience_it_never_stops():
    stopping = EarlyStopping("skilled", patience=0)
    for epoch in range(1, 50):
        stopping.note(epoch, errors(0.1 * epoch))
    assert not stopping.over
    assert stopping.best_epoch == 1


def test_what_cannot_be_measured_is_never_the_best_and_never_stops():
    stopping = EarlyStopping("skilled", patience=1)
    for epoch, value in enumerate((None, errors(None, 0.1)), start=1):
        assert not stopping.note(epoch, value)
    assert not stopping.over
    assert stopping.note(3, errors(0.9))


def test_it_goes_on_where_it_was():
    first, second = EarlyStopping("skilled", patience=3), EarlyStopping("skilled", patience=3)
    for epoch, value in enumerate((0.3, 0.5, 0.5), start=1):
        first.note(epoch, errors(value))
    second.restore(first.state())
    assert second == first
    for stopping in (first, second):
        stopping.note(4, errors(0.6))
        assert stopping.over


@pytest.mark.parametrize(
    ("criterion", "measured", "value"),
    [
        ("mean", ValidationErrors(0.4, 0.2, None, 0.3), 0.3),
        ("mean", ValidationErrors(None, None, None, None), None),
        ("random", ValidationErrors(0.4, 0.2, None, 0.3), 0.2),
        ("local_skilled", ValidationErrors(0.4, 0.2, None, 0.3), None),
        ("local_random", ValidationErrors(0.4, 0.2, None, 0.3), 0.3),
        ("mean", None, None),
    ],
)
def test_the_criterion(criterion: str, measured: ValidationErrors | None, value: float | None):
    assert criterion_value(criterion, measured) == (
        value if value is None else pytest.approx(value)
    )
