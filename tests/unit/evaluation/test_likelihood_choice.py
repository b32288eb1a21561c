"""Maps from scores to likelihood ratios: each fit against another way, and the choice by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lir.algorithms.isotonic_regression import IsotonicCalibrator
from scipy.stats import gaussian_kde

from sigvault.evaluation import likelihood_choice
from sigvault.evaluation.error_rates import SignerScores
from sigvault.evaluation.likelihood import cllr, empirical_bounds, fit_likelihood_ratio
from sigvault.evaluation.likelihood_choice import (
    FOLDS,
    KNOTS,
    METHODS,
    apply_ratio,
    choose_likelihood_ratio,
    fit_ratio,
)


def signers(
    count: int, *, seed: int = 0, shape: str = "normal", draws: int = 1, probes: int = 12
) -> SignerScores:
    """Every third signer has no forgeries; ``bent`` scores want more than a straight line."""
    rng = np.random.default_rng(seed)
    mated, non_mated = [], []
    for place in range(count):
        own = rng.normal(1.0, 1.0, probes)
        others = rng.normal(-1.0, 1.0, 0 if place % 3 == 2 else probes + place)
        if shape == "bent":
            own = np.where(rng.random(probes) < 0.2, rng.normal(-2, 0.5, probes), own + 1)
            others = 0.5 * others - 1.5
        mated.append(own)
        non_mated.append(others)
    return SignerScores(tuple(mated), tuple(non_mated), draws)


def normal(count: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(1.0, 1.0, count), rng.normal(-1.0, 1.0, count)


def test_the_isotonic_map_passes_through_a_peer_s_pools() -> None:
    """At the middle of each pool of adjacent violators it has the pool's own ratio."""
    rng = np.random.default_rng(1)
    mated, non_mated = np.round(rng.normal(1, 1, 80), 1), np.round(rng.normal(0, 1, 150), 1)
    found = fit_ratio(mated, non_mated, "isotonic")
    values = np.r_[mated, non_mated]
    distinct, ranks = np.unique(values, return_inverse=True)
    labels = np.r_[np.ones(80), np.zeros(150)]
    peer = IsotonicCalibrator().fit_transform(ranks.astype(float), labels)
    most = math.log10(151)
    pools: dict[float, set[float]] = {}
    for score, llr in zip(values, peer, strict=True):
        pools.setdefault(round(float(np.clip(llr, -most, most)), 6), set()).add(score)
    assert len(distinct) > len(pools) > 5
    assert found.llrs == pytest.approx(sorted(pools), abs=2e-6)
    middles = [np.mean(sorted(pools[llr])) for llr in sorted(pools)]
    assert found.scores == pytest.approx(middles, abs=2e-6)


def test_the_kernel_map_is_the_ratio_of_a_peer_s_densities() -> None:
    mated, non_mated = normal(1500)
    found = fit_ratio(mated, non_mated, "kernel")
    densities = []
    for values in (mated, non_mated):
        spread = np.subtract(*np.percentile(values, [75, 25])) / 1.34
        width = 0.9 * min(values.std(), spread) * len(values) ** -0.2
        densities.append(gaussian_kde(values, bw_method=width / values.std(ddof=1)))
    for score in np.linspace(-1.5, 1.5, 13):
        by_hand = math.log10(densities[0](score)[0] / densities[1](score)[0])
        assert found.llr(float(score)) == pytest.approx(by_hand, abs=0.03)
    assert found.scores[0] == pytest.approx(min(mated.min(), non_mated.min()), abs=1e-6)
    assert found.scores[-1] == pytest.approx(max(mated.max(), non_mated.max()), abs=1e-6)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_a_kernel_needs_no_spread_within_a_kind(shift: float) -> None:
    """All genuine scores alike, and half of the forgeries: both ranges between quartiles are 0."""
    mated = np.full(30, 0.9)
    non_mated = np.r_[np.full(60, 0.1), np.linspace(0.1, 0.1 + shift, 10)]
    found = fit_ratio(mated, non_mated, "kernel")
    assert found.llr(0.9) > 0.0 >= found.llr(0.1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("draws", [1, 4])
def test_no_map_claims_more_than_distinct_comparisons_support(method: str, draws: int) -> None:
    mated, non_mated = normal(200, seed=2)
    found = fit_ratio(mated + 3.0, non_mated, method, draws=draws)
    most = math.log10(200 / draws + 1)
    assert -most <= found.lower < 0.0 < found.upper <= most
    assert max(map(abs, found.llrs), default=0.0) <= most + 1e-6
    if found.scores:
        maps = [np.interp(kind, found.scores, found.llrs) for kind in (mated + 3.0, non_mated)]
        assert (found.lower, found.upper) == empirical_bounds(*maps, draws=draws)


def test_logistic_is_the_line_with_its_bounds() -> None:
    mated, non_mated = normal(100)
    line = fit_ratio(mated, non_mated, "logistic", draws=2)
    assert line == fit_likelihood_ratio(mated, non_mated, draws=2)


@pytest.mark.parametrize("method", METHODS[1:])
def test_a_map_with_knots_keeps_the_line_for_reference(method: str) -> None:
    mated, non_mated = normal(100)
    line = fit_likelihood_ratio(mated, non_mated)
    found = fit_ratio(mated, non_mated, method)
    assert (found.slope, found.intercept) == (line.slope, line.intercept)


def test_many_pools_are_thinned_to_few_knots_close_to_all() -> None:
    mated, non_mated = normal(40_000, seed=3)
    found = fit_ratio(mated, non_mated, "isotonic")
    all_knots, all_llrs = likelihood_choice._isotonic(mated, non_mated, 1)
    assert len(all_knots) > KNOTS >= len(found.scores)
    most = math.log10(40_001)
    kept = np.interp(all_knots, found.scores, found.llrs)
    assert np.abs(kept - np.clip(all_llrs, -most, most)).max() < 2 * 2 * most / KNOTS


def test_thinning_keeps_level_ends_level() -> None:
    """Knots beyond what may be claimed share one ratio; a score among them must have it too."""
    knots = np.arange(200.0)
    llrs = np.clip(np.linspace(-9.0, 9.0, 200), -2.0, 2.0)
    thinned, ratios = likelihood_choice._thin(knots, llrs)
    assert len(thinned) <= KNOTS
    joined = np.interp(knots, thinned, ratios)
    assert joined == pytest.approx(llrs, abs=0.1)
    level = np.abs(llrs) == 2.0
    assert level.sum() > 100
    assert joined[level] == pytest.approx(llrs[level], abs=1e-6)


@given(
    st.lists(st.tuples(st.floats(-2, 2), st.floats(-3, 3)), min_size=1, max_size=KNOTS),
)
def test_few_knots_are_only_rounded(points: list[tuple[float, float]]) -> None:
    """However close they lie, what is left makes a map that never falls."""
    knots = np.array(sorted(score for score, _ in points))
    llrs = np.array(sorted(llr for _, llr in points))
    thinned, ratios = likelihood_choice._thin(knots, llrs)
    assert (np.diff(thinned) > 0).all()
    assert (np.diff(ratios) >= 0).all()
    assert set(thinned) == set(np.round(knots, 6))
    assert set(ratios) <= set(np.round(llrs, 6))


def held_out_by_hand(scores: SignerScores, method: str, seed: int) -> float:
    """Fit on the other folds' signers pooled, and pool the ratios of everybody left out."""
    folds = np.random.default_rng(seed).permutation(len(scores.mated)) % FOLDS
    genuine, forged = [], []
    for fold in range(FOLDS):
        inside = [place for place in range(len(folds)) if folds[place] != fold]
        ratio = fit_ratio(
            np.concatenate([scores.mated[place] for place in inside]),
            np.concatenate([scores.non_mated[place] for place in inside]),
            method,
            draws=scores.draws,
        )
        for place in set(range(len(folds))) - set(inside):
            genuine += [ratio.llr(float(score)) for score in scores.mated[place]]
            forged += [ratio.llr(float(score)) for score in scores.non_mated[place]]
    return cllr(np.array(genuine), np.array(forged))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shape", ["normal", "bent"])
def test_costs_are_of_signers_that_the_maps_were_not_fitted_on(shape: str, seed: int) -> None:
    scores = signers(16, seed=seed, shape=shape, draws=2)
    choice = choose_likelihood_ratio(scores, bootstraps=50, seed=seed)
    assert list(choice.held_out) == list(METHODS)
    for method, cost in choice.held_out.items():
        assert cost == pytest.approx(held_out_by_hand(scores, method, seed), abs=1e-12)
    fitted = fit_ratio(scores.all_mated, scores.all_non_mated, choice.ratio.method, draws=2)
    assert choice.ratio == fitted


@pytest.mark.parametrize("seed", range(3))
def test_the_line_gives_way_only_to_more_than_chance(seed: int) -> None:
    """By hand: the interval of the difference in cost, over signers drawn with replacement."""
    scores = signers(30, seed=seed, shape="bent", probes=40)
    choice = choose_likelihood_ratio(scores, bootstraps=100, seed=seed)
    folds = np.random.default_rng(seed).permutation(30) % FOLDS
    llrs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for method in METHODS:
        ratios = [
            fit_ratio(
                np.concatenate([scores.mated[k] for k in range(30) if folds[k] != fold]),
                np.concatenate([scores.non_mated[k] for k in range(30) if folds[k] != fold]),
                method,
            )
            for fold in range(FOLDS)
        ]
        llrs[method] = [
            (
                apply_ratio(ratios[folds[k]], scores.mated[k]),
                apply_ratio(ratios[folds[k]], scores.non_mated[k]),
            )
            for k in range(30)
        ]
    rng = np.random.default_rng([seed, 1])
    drawn = rng.multinomial(30, np.full(30, 1 / 30), size=100)
    better = []
    for method in METHODS[1:]:
        gains = []
        for weights in drawn:
            picked = np.repeat(np.arange(30), weights)
            costs = [
                cllr(
                    np.concatenate([llrs[name][k][0] for k in picked]),
                    np.concatenate([llrs[name][k][1] for k in picked]),
                )
                for name in (method, METHODS[0])
            ]
            gains.append(costs[0] - costs[1])
        if np.percentile(gains, 97.5) < 0.0:
            better.append(method)
    expected = min(better, key=choice.held_out.__getitem__, default=METHODS[0])
    assert choice.ratio.method == expected


def test_bent_scores_take_another_map_and_straight_ones_the_line() -> None:
    bent = choose_likelihood_ratio(signers(40, shape="bent", probes=60), bootstraps=100)
    assert bent.ratio.method != "logistic"
    assert bent.describe().startswith(f"likelihood ratios {bent.ratio.method}, by Cllr")
    assert f"{bent.ratio.method} {bent.held_out[bent.ratio.method]:.3f}" in bent.describe()
    straight = choose_likelihood_ratio(signers(40), bootstraps=100)
    assert straight.ratio.method == "logistic"


def test_signers_without_forgeries_don_t_count_for_a_choice() -> None:
    """15 signers, of whom 10 have forgeries, are enough; 14 with 10 too, 13 with 9 are not."""
    assert choose_likelihood_ratio(signers(15), bootstraps=10).held_out
    few = signers(13)
    assert sum(bool(len(own)) for own in few.non_mated) == 9
    choice = choose_likelihood_ratio(few, bootstraps=10)
    assert choice.held_out == {}
    assert choice.ratio == fit_likelihood_ratio(few.all_mated, few.all_non_mated)
    assert "too few signers" in choice.describe()


def test_a_fold_that_can_t_be_left_out_leaves_the_line() -> None:
    """One signer alone scores forgeries lower; without that one they score higher."""
    folds = 12
    mated = [np.array([0.0, 0.1])] * (folds - 1) + [np.full(40, 9.0)]
    non_mated = [np.array([0.4, 0.5])] * (folds - 1) + [np.full(40, -9.0)]
    scores = SignerScores(tuple(mated), tuple(non_mated))
    choice = choose_likelihood_ratio(scores, bootstraps=10)
    assert choice.held_out == {}
    assert choice.ratio.method == "logistic"
    assert "too little between the kinds" in choice.describe()


def test_the_same_seed_makes_the_same_choice() -> None:
    scores = signers(14, shape="bent")
    assert choose_likelihood_ratio(scores, bootstraps=20, seed=4) == choose_likelihood_ratio(
        scores, bootstraps=20, seed=4
    )
    other = choose_likelihood_ratio(scores, bootstraps=20, seed=5)
    assert other.held_out != choose_likelihood_ratio(scores, bootstraps=20, seed=4).held_out


@settings(max_examples=30)
@given(st.lists(st.floats(-4, 4), min_size=1, max_size=20), st.sampled_from(METHODS))
def test_many_scores_at_once_give_what_one_at_a_time_gives(
    scores: list[float], method: str
) -> None:
    ratio = fit_ratio(*normal(60, seed=5), method)
    one_by_one = [ratio.llr(score) for score in scores]
    assert apply_ratio(ratio, np.array(scores)).tolist() == pytest.approx(one_by_one, abs=1e-12)
