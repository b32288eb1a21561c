"""The figures of a report against counting, and its two forms."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sigvault.domain.comparison import Decision, Threshold
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.evaluation.calibration import Provenance, calibrate
from sigvault.evaluation.error_rates import equal_error
from sigvault.evaluation.likelihood import cllr
from sigvault.evaluation.protocols import ComparisonScores, Kind, apply_fusion
from sigvault.evaluation.report import EvaluationReport, measure, render_markdown

RULE = FusionRule(2, 0.5, 0.0, 0.0)


def made_up(seed: int, *, skilled: bool = True) -> ComparisonScores:
    """Two references, six signers, two draws; genuine above skilled above random."""
    rng = np.random.default_rng(seed)
    levels = {Kind.MATED: 0.8, Kind.RANDOM: 0.2} | ({Kind.SKILLED: 0.5} if skilled else {})
    kinds = np.repeat([kind.value for kind in levels], 30)
    means = np.repeat(list(levels.values()), 30)
    size = len(kinds) * 6
    scores = np.tile(means, 6)[:, None] + rng.normal(0, 0.15, (size, 2))
    return ComparisonScores(
        signers=tuple(SignerId(f"s{number}") for number in range(6)),
        skipped=(SignerId("few"),),
        signer=np.repeat(np.arange(6, dtype=np.int32), len(kinds)),
        kind=np.tile(kinds, 6).astype(np.int8),
        draw=np.tile([0, 1], size // 2).astype(np.int16),
        cosine=scores,
        local=scores + rng.normal(0, 0.1, scores.shape),
        cosine_spread=np.zeros(size),
        local_spread=np.zeros(size),
    )


def a_threshold() -> Threshold:
    provenance = Provenance("others", ModelId("m-1"), "p-1")
    return calibrate(made_up(99), RULE, provenance, bootstraps=20)


def a_report(*, skilled: bool = True, threshold: bool = True) -> EvaluationReport:
    result = measure(
        made_up(0, skilled=skilled), RULE, a_threshold() if threshold else None, bootstraps=20
    )
    return EvaluationReport(
        data="made up",
        model=ModelId("m-1"),
        preprocessing="p-1",
        fusion=RULE,
        seed=0,
        images=99,
        left_out=(SignerId("seen"),),
        calibrated_on=(),
        unusable=("x.png: UnsupportedImage: empty",),
        results=(result,),
    )


def test_figures_are_those_of_the_scores() -> None:
    scores = made_up(0)
    fused = apply_fusion(scores, RULE)
    mated, random, skilled = (fused[scores.kind == kind] for kind in Kind)
    result = a_report().results[0]
    assert (result.mated, result.random, result.skilled) == (180, 180, 180)
    assert (result.references, result.signers, result.draws) == (2, 6, 2)
    assert result.skipped == ("few",)
    assert result.skilled_eer is not None
    assert result.skilled_eer.rate.value == equal_error(mated, skilled).rate
    assert result.random_eer.rate.value == equal_error(mated, random).rate
    for point in result.fixed:
        assert np.mean(random >= point.threshold) <= point.aim
        assert point.fnmr.value == pytest.approx(np.mean(mated < point.threshold))
        assert point.skilled_fmr is not None
        assert point.skilled_fmr.value == pytest.approx(np.mean(skilled >= point.threshold))


def test_frozen_thresholds_are_applied_as_in_verification() -> None:
    scores, threshold = made_up(0), a_threshold()
    fused = apply_fusion(scores, threshold.fusion)
    frozen = a_report().results[0].frozen
    assert frozen is not None
    assert frozen.skilled is not None
    for kind, shares in (
        (Kind.MATED, frozen.mated),
        (Kind.RANDOM, frozen.random),
        (Kind.SKILLED, frozen.skilled),
    ):
        decisions = [threshold.decide(float(score)) for score in fused[scores.kind == kind]]
        assert shares.accept == decisions.count(Decision.ACCEPT) / len(decisions)
        assert shares.review == decisions.count(Decision.REVIEW) / len(decisions)
        assert shares.accept + shares.review + shares.refuse == pytest.approx(1.0)
    assert frozen.accept_rates.fnmr.value == pytest.approx(1.0 - frozen.mated.accept)
    assert frozen.refuse_rates.fnmr.value == pytest.approx(frozen.mated.refuse)
    assert frozen.accept_rates.skilled_fmr is not None
    assert frozen.accept_rates.skilled_fmr.value == pytest.approx(frozen.skilled.accept)
    llr = threshold.likelihood_ratio.llr
    llrs = [
        np.array([llr(float(score)) for score in fused[scores.kind == kind]])
        for kind in (Kind.MATED, Kind.SKILLED)
    ]
    assert frozen.cllr == pytest.approx(cllr(*llrs))
    assert frozen.cllr >= a_report().results[0].minimum_cllr


def test_signers_are_told_apart() -> None:
    result = a_report().results[0]
    assert [one.signer for one in result.per_signer] == [f"s{number}" for number in range(6)]
    assert result.skilled_eer is not None
    mean = np.mean([one.fnmr for one in result.per_signer])
    assert mean == pytest.approx(result.skilled_eer.rate.value, abs=0.02)


def test_data_form_is_json_and_complete() -> None:
    content = json.loads(json.dumps(a_report().to_dict(), allow_nan=False))
    assert content["left_out"] == ["seen"]
    (result,) = content["results"]
    assert set(result["skilled_eer"]["rate"]) == {"value", "low", "high"}
    assert result["frozen"]["accept_rates"]["skilled_fmr"]["value"] >= 0.0
    assert content["fusion"]["top"] == 2


def test_page_shows_what_was_measured() -> None:
    report = a_report()
    page = render_markdown(report)
    result = report.results[0]
    assert result.skilled_eer is not None
    assert f"{100 * result.skilled_eer.rate.value:.2f} (" in page
    assert "trained on them: seen." in page
    assert "x.png: UnsupportedImage" in page
    assert "With too few genuine signatures: few." in page
    assert "| 2 | 2 | skilled forgeries |" in page
    rows = [line for line in page.splitlines() if line.startswith("| s")]
    assert len([row for row in rows if row.startswith("| s") and row[3].isdigit()]) == 6


def test_figures_of_signers_that_the_thresholds_come_from_are_marked() -> None:
    assert "NOT INDEPENDENT" not in render_markdown(a_report())
    page = render_markdown(replace(a_report(), calibrated_on=(SignerId("s1"), SignerId("s2"))))
    assert "NOT INDEPENDENT" in page.splitlines()[2]
    assert "chosen on 2 of these signers" in page


def test_every_table_row_is_as_wide_as_its_header() -> None:
    block: list[int] = []
    for line in [*render_markdown(a_report(skilled=False)).splitlines(), ""]:
        if line.startswith("|"):
            block.append(line.count("|"))
        else:
            assert len(set(block)) <= 1
            block = []


def test_without_skilled_forgeries_nothing_is_made_up() -> None:
    report = a_report(skilled=False)
    result = report.results[0]
    assert result.skilled_eer is None
    assert result.skilled == 0
    assert all(point.skilled_fmr is None for point in result.fixed)
    assert result.frozen is not None
    assert result.frozen.skilled is None
    assert all(one.skilled_fmr is None for one in result.per_signer)
    assert "| skilled forgeries | – | – | – |" in render_markdown(report)


def test_without_thresholds_nothing_is_decided() -> None:
    report = a_report(threshold=False)
    assert report.results[0].frozen is None
    assert "no thresholds, so nothing was decided" in render_markdown(report)
