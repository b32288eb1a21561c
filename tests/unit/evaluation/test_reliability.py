"""Reliability diagrams, calibration error and what calibration loses, each against an oracle."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from functools import cache

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from sigvault.evaluation.error_rates import SignerScores, resample_signers
from sigvault.evaluation.likelihood import cllr, minimum_cllr
from sigvault.evaluation.reliability import (
    Binning,
    Reliability,
    bin_edges,
    measure_reliability,
    posterior,
)


def llrs(
    signers: int = 12,
    mated: int = 30,
    other: int = 50,
    *,
    stretch: float = 1.0,
    bound: float = 2.0,
    seed: int = 0,
) -> SignerScores:
    """Between N(1, 1) and N(-1, 1) the natural logarithm of the ratio is twice the score.

    Signers differ; the ratios are perfect with a stretch of 1 but for that, and rounded, so that
    there are ties.
    """
    rng = np.random.default_rng(seed)
    own = rng.normal(0.0, 0.3, signers)

    def ratios(centre: float, shift: float, count: int) -> np.ndarray:
        scores = np.round(rng.normal(centre + shift, 1.0, count), 2)
        return np.clip(stretch * 2.0 * scores / math.log(10.0), -bound, bound)

    return SignerScores(
        tuple(ratios(1.0, shift, mated) for shift in own),
        tuple(ratios(-1.0, shift, other) for shift in own),
    )


@cache
def measured(binning: Binning = Binning.EQUAL_WIDTH) -> Reliability:
    return measure_reliability(llrs(), binning=binning, bootstraps=50, minimum_bootstraps=10)


def naive_bins(scores: SignerScores, edges: np.ndarray) -> list[tuple[float, float, float]]:
    """(weight, mean posterior, share of genuine) of each bin, comparison by comparison."""
    weights = (0.5 / len(scores.all_mated), 0.5 / len(scores.all_non_mated))
    bins = [[0.0, 0.0, 0.0] for _ in edges[1:]]
    for kind, values in enumerate((scores.all_mated, scores.all_non_mated)):
        for value in values:
            probability = 10.0**value / (1.0 + 10.0**value)
            place = next(k for k, high in enumerate(edges[1:]) if probability <= high + 1e-12)
            bins[place][0] += weights[kind]
            bins[place][1] += weights[kind] * probability
            bins[place][2] += weights[kind] * (kind == 0)
    return [(w, p / w, o / w) for w, p, o in bins if w]


def naive_error(scores: SignerScores, edges: np.ndarray) -> float:
    return sum(w * abs(p - o) for w, p, o in naive_bins(scores, edges))


def drawn(scores: SignerScores, times: np.ndarray) -> SignerScores:
    picked = np.repeat(np.arange(len(times)), times)
    return SignerScores(
        tuple(scores.mated[k] for k in picked), tuple(scores.non_mated[k] for k in picked)
    )


@pytest.mark.parametrize("binning", list(Binning))
def test_bins_and_calibration_error_are_those_of_a_loop(binning: Binning) -> None:
    edges = bin_edges(llrs(), 10, binning)
    found = measured(binning)
    expected = naive_bins(llrs(), edges)
    assert len(found.bins) == len(expected) >= 5
    for own, (weight, predicted, observed) in zip(found.bins, expected, strict=True):
        assert own.weight == pytest.approx(weight)
        assert own.predicted.value == pytest.approx(predicted)
        assert own.observed.value == pytest.approx(observed)
    error = naive_error(llrs(), edges)
    assert found.expected_calibration_error.value == pytest.approx(error)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_bins_are_those_of_scikit_learn_where_kinds_are_equally_many(strategy: str) -> None:
    scores = llrs(mated=40, other=40, bound=9.0)
    binning = Binning.EQUAL_WIDTH if strategy == "uniform" else Binning.QUANTILE
    found = measure_reliability(scores, binning=binning, bootstraps=2, minimum_bootstraps=2)
    values = posterior(np.concatenate([scores.all_mated, scores.all_non_mated]))
    observed, predicted = calibration_curve(
        np.repeat([1, 0], 12 * 40), values, n_bins=10, strategy=strategy
    )
    # Quantiles lie between two comparisons there and on one here: one may change its bin.
    slack = 1e-9 if strategy == "uniform" else 0.02
    assert [own.predicted.value for own in found.bins] == pytest.approx(predicted, abs=slack)
    assert [own.observed.value for own in found.bins] == pytest.approx(observed, abs=slack)


def test_bins_hold_every_comparison_once() -> None:
    for binning in Binning:
        bins = measured(binning).bins
        assert sum(own.mated for own in bins) == 12 * 30
        assert sum(own.non_mated for own in bins) == 12 * 50
        assert sum(own.count for own in bins) == 12 * 80
        assert sum(own.weight for own in bins) == pytest.approx(1.0)
        for own in bins:
            assert own.low <= own.predicted.value <= own.high


def test_quantile_bins_weigh_the_same_but_for_ties() -> None:
    bins = measured(Binning.QUANTILE).bins
    assert [own.weight for own in bins] == pytest.approx([0.1] * 10, abs=0.02)
    clipped = measure_reliability(
        llrs(bound=0.3), binning=Binning.QUANTILE, bootstraps=2, minimum_bootstraps=2
    )
    assert 2 <= len(clipped.bins) < 10


def test_costs_are_those_of_a_peer() -> None:
    """The package lir of the Netherlands Forensic Institute; slow to import."""
    from lir.data.models import LLRData
    from lir.metrics import cllr as peer_cllr
    from lir.metrics import cllr_min as peer_cllr_min

    for stretch in (0.5, 1.0, 3.0):
        scores = llrs(stretch=stretch)
        found = measure_reliability(scores, bootstraps=2, minimum_bootstraps=2)
        data = LLRData(
            features=np.concatenate([scores.all_mated, scores.all_non_mated])[:, None],
            labels=np.repeat([1, 0], [12 * 30, 12 * 50]),
        )
        assert found.cllr.value == pytest.approx(peer_cllr(data), abs=1e-9)
        assert found.minimum_cllr.value == pytest.approx(peer_cllr_min(data), abs=1e-9)


def test_intervals_are_those_of_resampling_the_slow_way() -> None:
    scores = llrs()
    found = measure_reliability(scores, bootstraps=60, minimum_bootstraps=60, seed=3)
    edges = bin_edges(scores, 10, Binning.EQUAL_WIDTH)
    again = [drawn(scores, times) for times in resample_signers(12, 60, 3)]
    costs = np.array([cllr(one.all_mated, one.all_non_mated) for one in again])
    least = np.array([minimum_cllr(one.all_mated, one.all_non_mated) for one in again])
    errors = np.array([naive_error(one, edges) for one in again])
    for rate, values in (
        (found.cllr, costs),
        (found.minimum_cllr, least),
        (found.calibration_loss, costs - least),
        (found.expected_calibration_error, errors),
    ):
        low, high = np.percentile(values, [2.5, 97.5])
        assert rate.low == pytest.approx(min(low, rate.value))
        assert rate.high == pytest.approx(max(high, rate.value))
        assert rate.low < rate.high


def test_bin_intervals_are_those_of_resampling_the_slow_way() -> None:
    scores = llrs(bound=9.0)
    found = measure_reliability(scores, bins=2, bootstraps=60, minimum_bootstraps=2, seed=3)
    edges = bin_edges(scores, 2, Binning.EQUAL_WIDTH)
    again = [naive_bins(drawn(scores, times), edges) for times in resample_signers(12, 60, 3)]
    for place, own in enumerate(found.bins):
        for column, rate in ((1, own.predicted), (2, own.observed)):
            low, high = np.percentile([one[place][column] for one in again], [2.5, 97.5])
            assert (rate.low, rate.high) == pytest.approx(
                (min(low, rate.value), max(high, rate.value))
            )


def test_overconfident_ratios_are_found_out() -> None:
    honest, bold = (
        measure_reliability(llrs(60, stretch=stretch), bootstraps=200, minimum_bootstraps=100)
        for stretch in (1.0, 4.0)
    )
    assert honest.expected_calibration_error.value < 0.03
    assert bold.expected_calibration_error.low > honest.expected_calibration_error.high
    assert honest.calibration_loss.value < 0.03
    assert bold.calibration_loss.low > honest.calibration_loss.high
    assert bold.bins[-1].predicted.value > bold.bins[-1].observed.high


def test_a_bin_of_one_kind_is_not_certain() -> None:
    """The other kind's share of the bin may be what 12 of 12 clean probes allow."""
    one, other = (np.full(3, 1.5),) * 4, (np.full(3, -1.5),) * 4
    low, high = measure_reliability(
        SignerScores(one, other), bins=2, bootstraps=20, minimum_bootstraps=5
    ).bins
    missed = 1.0 - 0.05 ** (1.0 / 12.0)
    assert (low.observed.value, low.observed.low) == (0.0, 0.0)
    assert low.observed.high == pytest.approx(missed / (1.0 + missed))
    assert (high.observed.value, high.observed.high) == (1.0, 1.0)
    assert high.observed.low == pytest.approx(1.0 / (1.0 + missed))
    drawn_thrice = SignerScores(one, other, draws=3)
    wider = measure_reliability(drawn_thrice, bins=2, bootstraps=20, minimum_bootstraps=5).bins[0]
    assert wider.observed.high > low.observed.high


def test_ratios_that_order_perfectly_lose_all_their_cost_by_calibration() -> None:
    scores = SignerScores((np.array([0.1, 0.2]),) * 3, (np.array([-0.2, -0.1]),) * 3)
    found = measure_reliability(scores, bootstraps=10, minimum_bootstraps=10)
    assert found.minimum_cllr.value == 0.0
    assert found.calibration_loss == pytest.approx(found.cllr)


def test_signers_without_forgeries_cost_no_warning() -> None:
    """A resampling may draw no forgeries at all: it says nothing, and no interval is lost."""
    scores = SignerScores((np.array([0.5]),) * 3, (np.array([-0.5]), np.empty(0), np.empty(0)))
    found = measure_reliability(scores, bootstraps=50, minimum_bootstraps=50)
    for rate in (found.cllr, found.minimum_cllr, found.expected_calibration_error):
        assert math.isfinite(rate.low)
        assert math.isfinite(rate.high)


def test_measures_are_plain_data() -> None:
    plain = json.loads(json.dumps(asdict(measured())))
    assert plain["binning"] == "equal_width"
    assert plain["bins"][0]["observed"].keys() == {"value", "low", "high"}
    assert (plain["bootstraps"], plain["minimum_bootstraps"]) == (50, 10)


def test_no_bins_is_refused() -> None:
    with pytest.raises(ValueError, match="0 bins"):
        measure_reliability(llrs(), bins=0)
