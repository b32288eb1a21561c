"""What is reported over folds, from comparisons that are made up."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.evaluation.calibration import Provenance, calibrate
from sigvault.evaluation.error_rates import equal_error
from sigvault.evaluation.protocols import ComparisonScores, Kind
from sigvault.training.fold_report import Part, PooledError, render_markdown, report_parts

RULE = FusionRule(top=1, local_weight=0.0, cosine_spread=0.0, local_spread=0.0)
KINDS = (Kind.MATED, Kind.SKILLED, Kind.RANDOM)


def made_up(
    names: str, levels: tuple[float, float, float], seed: int = 0, kinds: tuple[Kind, ...] = KINDS
) -> ComparisonScores:
    """Comparisons with one reference: mated, skilled and random scores around three levels."""
    generator = np.random.default_rng((seed, *map(ord, names)))
    each = 12
    signer, kind = np.meshgrid(np.arange(len(names)), np.array(kinds), indexing="ij")
    signer, kind = np.repeat(signer.ravel(), each), np.repeat(kind.ravel(), each)
    level = np.select([kind == own for own in KINDS], levels)
    scores = np.clip(level + generator.normal(0, 0.1, len(kind)), -1, 1)[:, None]
    nothing = np.full(len(kind), np.nan)
    return ComparisonScores(
        signers=tuple(SignerId(name) for name in names),
        skipped=(),
        signer=signer.astype(np.int32),
        kind=kind.astype(np.int8),
        draw=np.zeros(len(kind), np.int16),
        cosine=scores,
        local=np.zeros_like(scores),
        cosine_spread=nothing,
        local_spread=nothing,
    )


def parts_of(
    levels: tuple[float, float, float], kinds: tuple[Kind, ...] = KINDS, folds: int = 2
) -> list[Part]:
    """Two parts a fold, each learning from the other's signers."""
    parts = []
    for fold in range(folds):
        first = ord("a") + 10 * fold
        halves = [
            made_up("".join(map(chr, range(start, start + 5))), levels, fold, kinds)
            for start in (first, first + 5)
        ]
        for tested, learnt in (halves, halves[::-1]):
            parts.append(
                Part(ModelId("m"), "sauvola-1", RULE, {1: learnt}, {"data": {1: tested}}, fold)
            )
    return parts


def rate_of(parts: list[Part], forgeries: Kind) -> float:
    """From each part's scores as log-likelihood ratios, fitted on what the part learns from."""
    mated, others = list[float](), list[float]()
    for part in parts:
        learnt_from = Provenance("others", part.model, part.preprocessing, 0)
        ratio = calibrate(part.learnt[1], RULE, learnt_from, bootstraps=1).likelihood_ratio
        scores = part.tested["data"][1]
        llrs = ratio.slope * scores.cosine[:, 0] + ratio.intercept
        mated += llrs[scores.kind == Kind.MATED].tolist()
        others += llrs[scores.kind == forgeries].tolist()
    return equal_error(np.array(mated), np.array(others)).rate


def on_another_scale(scores: ComparisonScores, factor: float, offset: float) -> ComparisonScores:
    return replace(scores, cosine=factor * scores.cosine + offset)


def test_all_signers_are_pooled_and_the_folds_spread_is_told():
    parts = parts_of((0.7, 0.5, 0.4), folds=3)
    (one,) = report_parts(parts, (1, 5)).results
    assert (one.references, one.signers) == (1, 30)
    for error, kind in ((one.skilled, Kind.SKILLED), (one.random, Kind.RANDOM)):
        assert error is not None
        rates = [rate_of(parts[2 * fold : 2 * fold + 2], kind) for fold in range(3)]
        assert len(set(rates)) > 1
        assert error.fold_mean == pytest.approx(sum(rates) / 3)
        variance = sum((rate - error.fold_mean) ** 2 for rate in rates) / 2
        assert error.fold_deviation == pytest.approx(variance**0.5)
        assert (error.fold_low, error.fold_high) == (min(rates), max(rates))
        assert error.pooled.rate.value == pytest.approx(rate_of(parts, kind))
        assert error.pooled.rate.low <= error.pooled.rate.value <= error.pooled.rate.high


def test_folds_whose_scores_lie_on_scales_of_their_own_are_pooled_fairly():
    alike = parts_of((0.7, 0.5, 0.4))
    apart = [
        replace(
            part,
            learnt={1: on_another_scale(part.learnt[1], 0.4, -0.5 * part.fold)},
            tested={"data": {1: on_another_scale(part.tested["data"][1], 0.4, -0.5 * part.fold)}},
        )
        for part in alike
    ]
    (expected,), (found,) = (report_parts(parts, (1,)).results for parts in (alike, apart))
    assert expected.skilled is not None
    assert found.skilled is not None
    assert found.skilled.pooled.rate.value == pytest.approx(
        expected.skilled.pooled.rate.value, abs=0.005
    )
    assert found.skilled.fold_mean == pytest.approx(expected.skilled.fold_mean, abs=0.005)


def test_probes_are_decided_by_what_was_learnt_on_others():
    report = report_parts(parts_of((0.7, 0.5, 0.4)), (1,))
    (one,) = report.results
    assert one.decisions is not None
    assert set(one.decisions) == {"mated", "random", "skilled"}
    for shares in one.decisions.values():
        assert sum(shares.values()) == pytest.approx(1.0)
    assert one.decisions["mated"]["accept"] > one.decisions["skilled"]["accept"]
    assert one.cllr is not None
    assert one.minimum_cllr is not None
    assert one.minimum_cllr <= one.cllr + 1e-9
    page = render_markdown(report)
    assert page.count("| data | 1 |") == 4
    assert f"± {100 * one.random.fold_deviation:.1f} (" in page
    json.dumps(report.to_dict(), allow_nan=False)


def test_a_hopeless_model_has_rates_and_no_decisions():
    report = report_parts(parts_of((0.3, 0.7, 0.6)), (1,))
    (one,) = report.results
    assert one.skilled is not None
    assert one.skilled.pooled.rate.value > 0.5
    assert one.decisions is None
    assert one.cllr is None
    assert render_markdown(report).count("| data | 1 |") == 1


def test_without_skilled_forgeries_there_are_no_skilled_rates():
    parts = parts_of((0.7, 0.5, 0.4), kinds=(Kind.MATED, Kind.RANDOM))
    report = report_parts(parts, (1,))
    (one,) = report.results
    assert one.skilled is None
    assert one.decisions is not None
    assert set(one.decisions) == {"mated", "random"}
    assert "| – | – |" in render_markdown(report)


def test_one_fold_has_no_deviation():
    (one,) = report_parts(parts_of((0.7, 0.5, 0.4), folds=1), (1,)).results
    assert isinstance(one.random, PooledError)
    assert one.random.fold_deviation == 0.0
    assert one.random.fold_low == one.random.fold_mean == one.random.fold_high


def test_where_nothing_was_learnt_at_a_number_of_references_nothing_is_decided():
    first, second, *_ = parts_of((0.7, 0.5, 0.4))
    bare = [
        Part(own.model, own.preprocessing, own.rule, {}, own.tested, own.fold)
        for own in (first, second)
    ]
    (one,) = report_parts(bare, (1,)).results
    assert one.decisions is None
    assert one.random.pooled.rate.value < 0.5
