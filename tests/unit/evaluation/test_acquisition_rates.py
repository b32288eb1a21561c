"""Images that could not serve, against exact tests and resampling by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from naive_bootstrap import ends, interval_by_hand, widen_by_hand
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.acquisition_rates import (
    SignerImages,
    binomial_rate,
    measure_acquisition,
)
from sigvault.evaluation.error_rates import resample_signers

PEOPLE = (
    SignerImages(SignerId("a"), genuine=10, genuine_failed=1, forged=5, forged_failed=2),
    SignerImages(SignerId("b"), genuine=6, genuine_failed=0),
    SignerImages(SignerId("c"), genuine=5, genuine_failed=2, forged=4),
    SignerImages(SignerId("d"), genuine=2, genuine_failed=1, forged=3, forged_failed=1),
    SignerImages(SignerId("e"), genuine=5, genuine_failed=0, forged=8, forged_failed=3),
)


@given(st.integers(1, 200).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_a_binomial_interval_is_that_of_the_exact_test(trials: tuple[int, int]) -> None:
    count, total = trials
    found = binomial_rate(count, total)
    peer = binomtest(count, total).proportion_ci(confidence_level=0.95, method="exact")
    assert found.value == count / total
    assert (found.low, found.high) == pytest.approx((peer.low, peer.high), abs=1e-9)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((3, 4, 0, 0), "4 of 3 genuine"),
        ((3, -1, 0, 0), "-1 of 3 genuine"),
        ((3, 0, 2, 3), "3 of 2 forged"),
        ((3, 0, 2, -1), "-1 of 2 forged"),
    ],
)
def test_no_more_images_fail_than_there_are(
    counts: tuple[int, int, int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SignerImages(SignerId("a"), *counts)


def test_shares_are_counted_over_all_images() -> None:
    found = measure_acquisition(PEOPLE, 4, bootstraps=20)
    assert (found.images, found.failed, found.references) == (48, 10, 4)
    assert found.fta.value == 10 / 48
    assert found.genuine_fta.value == 4 / 28
    assert found.forged_fta is not None
    assert found.forged_fta.value == 6 / 20


def test_intervals_resample_signers() -> None:
    found = measure_acquisition(PEOPLE, 4, bootstraps=80, seed=5)
    resampled: dict[str, list[float]] = {"all": [], "genuine": [], "forged": []}
    for weights in resample_signers(len(PEOPLE), 80, 5):
        drawn = [own for own, times in zip(PEOPLE, weights, strict=True) for _ in range(int(times))]
        genuine, forged = sum(own.genuine for own in drawn), sum(own.forged for own in drawn)
        bad = sum(own.genuine_failed for own in drawn)
        worse = sum(own.forged_failed for own in drawn)
        resampled["all"].append((bad + worse) / (genuine + forged))
        resampled["genuine"].append(bad / genuine)
        if forged:
            resampled["forged"].append(worse / forged)
    assert len(resampled["forged"]) <= len(resampled["all"]) == 80
    assert found.forged_fta is not None
    for rate, key in (
        (found.fta, "all"),
        (found.genuine_fta, "genuine"),
        (found.forged_fta, "forged"),
    ):
        by_hand = interval_by_hand(rate.value, resampled[key])
        assert ends(rate) == pytest.approx(ends(by_hand), abs=1e-12)


def test_fte_counts_signers_who_had_enough_before_images_failed() -> None:
    """At 5 references d never had enough, and c alone falls short; at 6 nobody does."""
    five = measure_acquisition(PEOPLE, 5, bootstraps=5).fte
    assert five == binomial_rate(1, 4)
    assert measure_acquisition(PEOPLE, 6, bootstraps=5).fte == binomial_rate(0, 2)
    assert measure_acquisition(PEOPLE, 10, bootstraps=5).fte == binomial_rate(1, 1)
    assert measure_acquisition(PEOPLE, 11, bootstraps=5).fte is None


def test_without_forgeries_no_share_of_them_is_given() -> None:
    found = measure_acquisition([PEOPLE[1]], 3, bootstraps=5)
    assert found.forged_fta is None
    assert found.fta == found.genuine_fta
    assert found.fta.value == 0.0
    assert ends(found.fta) == pytest.approx(ends(widen_by_hand(found.fta, 6)))
    assert found.fta.high == pytest.approx(1 - 0.05 ** (1 / 6))
