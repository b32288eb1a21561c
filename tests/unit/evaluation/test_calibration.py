"""Operating points: where they lie, what is said of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigvault.domain.comparison import Threshold
from sigvault.domain.errors import DatasetError
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.evaluation.calibration import (
    COPY_ALARMS,
    TRACE_ALARMS,
    Aims,
    Provenance,
    calibrate,
    cap_copy_limits,
    find_copy_limit,
    find_trace_limit,
)
from sigvault.evaluation.protocols import ComparisonScores, Kind, apply_fusion

PROVENANCE = Provenance("made up", ModelId("m-1"), "sauvola-1", seed=3)
RULE = FusionRule(1, 0.0, 0.0, 0.0)


def made_up(
    mated: float, skilled: float | None, random: float = 0.0, *, seed: int = 0, signers: int = 8
) -> ComparisonScores:
    """Comparisons of one reference whose scores lie around a level for each kind."""
    rng = np.random.default_rng(seed)
    levels = [(Kind.MATED, mated, 20), (Kind.RANDOM, random, 40), (Kind.SKILLED, skilled, 15)]
    kinds = np.concatenate(
        [np.full(count, kind) for kind, level, count in levels if level is not None]
    )
    means = np.concatenate(
        [np.full(count, level) for _, level, count in levels if level is not None]
    )
    cosine = np.tile(means, signers) + rng.normal(0, 0.1, len(means) * signers)
    size = len(cosine)
    return ComparisonScores(
        signers=tuple(SignerId(str(number)) for number in range(signers)),
        skipped=(),
        signer=np.repeat(np.arange(signers, dtype=np.int32), len(kinds)),
        kind=np.tile(kinds, signers).astype(np.int8),
        draw=np.zeros(size, np.int16),
        cosine=cosine[:, None],
        local=np.zeros((size, 1)),
        cosine_spread=np.full(size, np.nan),
        local_spread=np.full(size, np.nan),
    )


def calibrated(scores: ComparisonScores, aims: Aims | None = None) -> Threshold:
    return calibrate(scores, RULE, PROVENANCE, aims=aims, bootstraps=50)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 0.9), st.floats(0.0, 0.5), st.floats(0.005, 0.2), st.floats(0.005, 0.2))
def test_aims_are_met(mated: float, skilled: float, skilled_fmr: float, fnmr: float) -> None:
    scores = made_up(mated, min(skilled, mated - 0.05))
    aims = Aims(skilled_fmr=skilled_fmr, fmr=0.01, fnmr=fnmr)
    threshold = calibrated(scores, aims)
    assert threshold.refuse <= threshold.accept
    assert threshold.accept_rates.skilled_fmr is not None
    rounding = 1e-9  # a share of 0.2 meets an aim that was written as 0.2
    assert threshold.accept_rates.skilled_fmr.value <= aims.skilled_fmr + rounding
    assert threshold.accept_rates.fmr.value <= aims.fmr + rounding
    assert threshold.refuse_rates.fnmr.value <= aims.fnmr + rounding


def test_rates_are_counted_at_their_own_operating_point() -> None:
    scores = made_up(0.5, 0.3)
    threshold = calibrated(scores)
    fused = apply_fusion(scores, RULE)
    for score, rates in (
        (threshold.accept, threshold.accept_rates),
        (threshold.refuse, threshold.refuse_rates),
    ):
        assert rates.skilled_fmr is not None
        assert rates.fnmr.value == np.mean(fused[scores.kind == Kind.MATED] < score)
        assert rates.fmr.value == np.mean(fused[scores.kind == Kind.RANDOM] >= score)
        assert rates.skilled_fmr.value == np.mean(fused[scores.kind == Kind.SKILLED] >= score)
    assert threshold.refuse < threshold.accept


def test_operating_points_are_as_lax_as_the_aims_allow() -> None:
    scores = made_up(0.5, 0.3)
    threshold = calibrated(scores)
    skilled = apply_fusion(scores, RULE)[scores.kind == Kind.SKILLED]
    mated = apply_fusion(scores, RULE)[scores.kind == Kind.MATED]
    just_below = skilled[skilled < threshold.accept].max()
    assert np.mean(skilled >= just_below) > 0.02
    assert np.mean(mated < np.nextafter(threshold.refuse, 1)) > 0.02


def test_perfect_separation_leaves_no_review_zone_and_says_so() -> None:
    threshold = calibrated(made_up(5.0, 1.0))
    assert threshold.accept == threshold.refuse
    assert 1.5 < threshold.accept < 4.5
    assert "no review zone" in threshold.origin.protocol
    assert threshold.accept_rates.fnmr.value == 0.0
    assert threshold.accept_rates.fnmr.high > 0.0


def test_without_skilled_forgeries_the_origin_says_what_ratios_are_against() -> None:
    threshold = calibrated(made_up(0.5, None))
    assert threshold.accept_rates.skilled_fmr is None
    assert threshold.origin.skilled_forgeries == 0
    assert "no skilled forgeries" in threshold.origin.protocol
    assert threshold.likelihood_ratio.slope > 0


def test_ratios_are_against_skilled_forgeries_where_there_are_any() -> None:
    """Random forgeries far below must not make a doubtful score look strong."""
    threshold = calibrated(made_up(0.5, 0.4, random=-3.0))
    assert threshold.likelihood_ratio.llr(0.45) == pytest.approx(0.0, abs=0.2)


def test_origin_counts_what_was_compared() -> None:
    remark = Provenance("made up", ModelId("m-1"), "sauvola-1", seed=3, remarks=("CAREFUL",))
    origin = calibrate(made_up(0.5, 0.3), RULE, remark, bootstraps=10).origin
    assert (origin.signers, origin.mated, origin.random_forgeries) == (8, 160, 320)
    assert (origin.skilled_forgeries, origin.draws, origin.seed) == (120, 1, 3)
    assert (origin.data, origin.model, origin.preprocessing) == ("made up", "m-1", "sauvola-1")
    assert origin.protocol.startswith("CAREFUL; aims: skilled FMR 2.00%")


def test_calibration_repeats() -> None:
    assert calibrated(made_up(0.5, 0.3)) == calibrated(made_up(0.5, 0.3))


def test_forgeries_that_score_higher_are_a_clear_error() -> None:
    with pytest.raises(DatasetError, match="mixed up"):
        calibrated(made_up(0.2, 0.8))


def test_missing_comparisons_are_a_clear_error() -> None:
    scores = made_up(0.5, None)
    with pytest.raises(DatasetError, match="no mated comparisons with 1 references"):
        calibrated(_without(scores, Kind.MATED))
    with pytest.raises(DatasetError, match="no random comparisons"):
        calibrated(_without(scores, Kind.RANDOM))


@pytest.mark.parametrize("aims", [{"fmr": -0.1}, {"fnmr": 1.0}, {"skilled_fmr": float("nan")}])
def test_aims_must_be_rates(aims: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"not in \[0, 1\)"):
        Aims(**aims)


def _without(scores: ComparisonScores, kind: Kind) -> ComparisonScores:
    rows = scores.kind != kind
    return ComparisonScores(
        scores.signers,
        scores.skipped,
        scores.signer[rows],
        scores.kind[rows],
        scores.draw[rows],
        scores.cosine[rows],
        scores.local[rows],
        scores.cosine_spread[rows],
        scores.local_spread[rows],
    )


def with_locals(mated: list[float]) -> ComparisonScores:
    """Comparisons whose mated probes have these local scores, the others higher ones."""
    scores = made_up(0.8, 0.5)
    local = np.full_like(scores.cosine, 0.9999)
    local[scores.kind == Kind.MATED, 0] = np.resize(mated, scores.count(Kind.MATED))
    return replace(scores, local=local)


@pytest.mark.parametrize(
    ("mated", "least", "most"),
    [
        ([0.7, 0.8], 0.9, 0.9),  # far below any copy
        ([0.7, 0.95], 0.95, 0.9500001),  # as near as genuine ones came
        ([0.7, 1.0], 0.999, 0.999),  # copies among the data themselves
    ],
)
def test_the_limit_of_copies_lies_just_above_what_genuine_signatures_reach(mated, least, most):
    limit = find_copy_limit(with_locals(mated))
    assert least <= limit <= most
    assert calibrate(with_locals(mated), RULE, PROVENANCE, bootstraps=1).copy_limit == limit


@pytest.mark.parametrize(
    ("find", "least", "share"),
    [(find_copy_limit, 0.9, COPY_ALARMS), (find_trace_limit, 0.85, TRACE_ALARMS)],
)
def test_few_genuine_signatures_may_lie_above_a_limit(find, least, share):
    """One in a thousand above that of copies, one in a hundred above that of tracings."""
    rng = np.random.default_rng(5)
    scores = made_up(0.8, None, signers=200)
    mated = least + 0.09 * rng.random(scores.count(Kind.MATED))
    local = np.zeros_like(scores.cosine)
    local[scores.kind == Kind.MATED, 0] = mated
    limit = find(replace(scores, local=local))
    assert 0 < np.mean(mated >= limit) <= share


@pytest.mark.parametrize(
    ("mated", "least", "most"),
    [
        ([0.7, 0.8], 0.85, 0.85),  # far below any tracing
        ([0.7, 0.87], 0.87, 0.8700001),  # as near as genuine ones came
        ([0.7, 0.95], 0.95, 0.9500001),  # wherever copies begin
    ],
)
def test_the_limit_of_tracings_lies_just_above_what_genuine_signatures_reach(mated, least, most):
    limit = find_trace_limit(with_locals(mated))
    assert least <= limit <= most
    threshold = calibrate(with_locals(mated), RULE, PROVENANCE, bootstraps=1)
    assert threshold.trace_limit == limit
    assert threshold.copy_limit >= limit


def test_fewer_signers_don_t_lift_the_limit_of_copies(threshold: Threshold) -> None:
    """By a pair of copies in the data, which weighs more among them."""

    def made(signers: int, limit: float | None) -> Threshold:
        return replace(
            threshold, copy_limit=limit, origin=replace(threshold.origin, signers=signers)
        )

    capped = cap_copy_limits([made(87, 0.9), made(86, 0.92), made(54, 0.98), made(54, 0.91)])
    assert [each.copy_limit for each in capped] == [0.9, 0.92, 0.92, 0.91]
    old = (made(87, None), made(54, None))
    assert cap_copy_limits(old) == old
    assert cap_copy_limits([]) == ()
