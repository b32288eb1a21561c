"""Who is found among all, and who is taken for somebody else."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache

import numpy as np
import pytest

from sigvault.domain.comparison import compare
from sigvault.domain.embedding import Embedding, pack_local
from sigvault.domain.errors import DatasetError, GenerationMismatch
from sigvault.domain.fusion import FusionRule
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ModelId, ReferenceId, SignerId
from sigvault.evaluation import identification_rates, protocols
from sigvault.evaluation.error_rates import resample_signers, threshold_at_fmr
from sigvault.evaluation.identification_rates import (
    FIXED_FPIR,
    IdentificationRates,
    measure_identification,
)
from sigvault.evaluation.protocols import EvaluationSigner, Kind

PLAIN = FusionRule(top=1, local_weight=0.0, cosine_spread=0.0, local_spread=0.0)
"""The best cosine, so that expected ranks can be seen."""


def near(rng: np.random.Generator, centre: np.ndarray, model: str = "m") -> Embedding:
    """An embedding around a signer's own centre, of vector and of local features."""
    vector = centre[:6] + 0.8 * rng.normal(size=6)
    features = (centre[6:].reshape(2, 3, 4) + 0.8 * rng.normal(size=(2, 3, 4))).astype(np.float32)
    return Embedding(
        (vector / np.linalg.norm(vector)).astype(np.float32),
        pack_local(features, rng.random((2, 3)) < 0.8),
        ModelId(model),
    )


def a_signer(name: str, genuine: int = 6, model: str = "m") -> EvaluationSigner:
    rng = np.random.default_rng([*name.encode()])
    centre = rng.normal(size=30)
    return EvaluationSigner(SignerId(name), tuple(near(rng, centre, model) for _ in range(genuine)))


@cache
def seven_signers() -> tuple[EvaluationSigner, ...]:
    return tuple(a_signer(name) for name in "abcdefg")


def at_angles(name: str, *degrees: float) -> EvaluationSigner:
    """Signatures in a plane: their cosines can be told by looking."""
    turns = np.radians(degrees)
    vectors = np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float32)
    local = np.zeros((1, 1, 1), np.int8)
    return EvaluationSigner(
        SignerId(name), tuple(Embedding(vector, local, ModelId("m")) for vector in vectors)
    )


def naive_searches(signers, rule: FusionRule, references: int, draws: int, seed: int):
    """(owner, mate's score, all others' scores) of each search, one comparison at a time."""
    chosen = [
        protocols.draw_references(own.signer, len(own.genuine), references, draws, seed)
        for own in signers
    ]
    for draw in range(draws):
        galleries = [
            Gallery(
                own.signer,
                GenerationId(1),
                tuple(Reference(ReferenceId(str(i)), own.genuine[i]) for i in chosen[place][draw]),
            )
            for place, own in enumerate(signers)
        ]
        for place, own in enumerate(signers):
            for number, probe in enumerate(own.genuine):
                if number not in chosen[place][draw]:
                    scores = [compare(probe, gallery, rule).value for gallery in galleries]
                    yield place, scores.pop(place), scores


def between_two(scores) -> float:
    """A threshold in the middle, with no score so close that rounding could move it across."""
    rising = np.sort(scores)
    middle = len(rising) // 4 + int(np.argmax(np.diff(rising[len(rising) // 4 : -1])))
    return float(rising[middle : middle + 2].mean())


def share_of(answers) -> float:
    return float(np.mean(list(answers)))


@pytest.mark.parametrize("references", [1, 2, 4])
@pytest.mark.parametrize(
    "rule", [FusionRule(), PLAIN, FusionRule(top=9, local_weight=1.0, local_spread=1.0)]
)
def test_rates_are_those_of_comparisons_made_one_by_one(references: int, rule: FusionRule) -> None:
    signers = seven_signers()
    searches = list(naive_searches(signers, rule, references, draws=3, seed=5))
    threshold = between_two([mate for _, mate, _ in searches])
    found = measure_identification(
        signers, rule, references, draws=3, seed=5, bootstraps=20, threshold=threshold
    )
    assert found.searches == len(searches) == 3 * 7 * (6 - references)
    ranks = [1 + sum(other >= mate for other in others) for _, mate, others in searches]
    assert [point.rank for point in found.cmc] == [1, 2, 3, 5]
    for point in found.cmc:
        assert point.identified.value == share_of(rank <= point.rank for rank in ranks)
    assert 0.0 < found.cmc[0].identified.value < 1.0
    assert found.frozen is not None
    assert found.frozen.threshold == threshold
    assert found.frozen.fpir.value == share_of(
        max(others) >= threshold for _, _, others in searches
    )
    assert found.frozen.fnir.value == share_of(
        mate < threshold or max(others) >= mate for _, mate, others in searches
    )


def test_misses_at_a_fixed_fpir_are_counted_at_the_laxest_threshold_that_keeps_it() -> None:
    signers, rule = seven_signers(), FusionRule()
    searches = list(naive_searches(signers, rule, 2, draws=3, seed=0))
    found = measure_identification(signers, rule, 2, draws=3, bootstraps=20)
    strangers = np.array([max(others) for _, _, others in searches])
    assert [point.aim for point in found.open_set] == list(FIXED_FPIR)
    for point in found.open_set:
        above = point.threshold + 1e-6  # where rounding is left behind
        assert np.mean(strangers >= above) <= point.aim
        assert np.mean(strangers >= strangers[strangers < above].max()) > point.aim
        assert point.fnir.value == share_of(
            mate < above or max(others) >= mate for _, mate, others in searches
        )
    assert found.open_set[0].fnir.value > found.open_set[-1].fnir.value > 0.0


def test_intervals_resample_signers_and_find_each_threshold_anew() -> None:
    signers, rule = seven_signers(), FusionRule()
    found = measure_identification(signers, rule, 2, draws=2, seed=3, bootstraps=50)
    own = [[] for _ in signers]
    for place, mate, others in naive_searches(signers, rule, 2, draws=2, seed=3):
        own[place].append((mate, max(others)))
    first, rates = [], []
    for drawn in resample_signers(len(signers), 50, 3):
        picked = np.array([one for place in np.repeat(range(7), drawn) for one in own[place]])
        threshold = threshold_at_fmr(picked[:, 1], 0.1)
        led = picked[:, 0] > picked[:, 1]
        first.append(led.mean())
        rates.append(np.mean(~led | (picked[:, 0] < threshold)))
    identified, fnir = found.cmc[0].identified, found.open_set[-1].fnir
    assert (identified.low, identified.high) == pytest.approx(np.percentile(first, [2.5, 97.5]))
    assert (fnir.low, fnir.high) == pytest.approx(np.percentile(rates, [2.5, 97.5]))
    assert fnir.low < fnir.value < fnir.high


def test_a_mate_below_another_signer_is_missed_however_high_it_scores() -> None:
    """One signer's probe is nearer to the other's reference: no threshold brings it back."""
    ((reference,),) = protocols.draw_references(SignerId("b"), 3, 1, 1, 0)
    angles = np.full(3, 20.0)
    angles[(reference + 1) % 3] = 0.0
    signers = [at_angles("a", 0.0, 0.0, 0.0), at_angles("b", *angles)]
    found = measure_identification(signers, PLAIN, 1, bootstraps=20, threshold=-1.0)
    assert found.cmc[0].identified.value == pytest.approx(3 / 4)
    assert found.frozen is not None
    assert found.frozen.fnir.value == pytest.approx(1 / 4)
    assert found.frozen.fpir.value == 1.0
    assert found.open_set[-1].fnir.value == 1.0  # b's stray probe scores 1 with a


def test_a_tie_with_another_signer_counts_against_the_mate() -> None:
    twins = [at_angles("a", 0.0, 0.0), at_angles("b", 0.0, 0.0), at_angles("c", 90.0, 90.0)]
    found = measure_identification(twins, PLAIN, 1, bootstraps=20)
    assert [(point.rank, point.identified.value) for point in found.cmc] == [
        (1, pytest.approx(1 / 3)),
        (2, 1.0),
        (3, 1.0),
    ]


def test_strangers_never_meet_their_own_gallery() -> None:
    apart = [at_angles(name, angle, angle) for name, angle in zip("abc", (0, 60, 120), strict=True)]
    found = measure_identification(apart, PLAIN, 1, bootstraps=20, threshold=0.9)
    assert found.frozen is not None
    assert found.frozen.fpir.value == 0.0
    assert found.frozen.fpir.high == pytest.approx(1.0 - 0.05 ** (1 / 3))
    assert found.frozen.fnir.value == 0.0
    assert found.open_set[-1].threshold == pytest.approx(0.5)
    assert not any(point.supported for point in found.open_set)


def test_ten_percent_is_supported_from_thirty_probes_on_however_often_they_are_drawn() -> None:
    for signers, supported in (
        (seven_signers(), False),
        ((*seven_signers(), a_signer("h")), True),
    ):
        found = measure_identification(signers, PLAIN, 2, draws=4, bootstraps=5)
        assert [point.supported for point in found.open_set] == [False, False, supported]


@pytest.mark.parametrize(("references", "draws"), [(1, 1), (3, 4)])
def test_mated_searches_score_as_mated_comparisons_in_verification(
    references: int, draws: int
) -> None:
    """The same references are drawn, and the same probes meet them."""
    signers, rule = seven_signers(), FusionRule()
    pairs = protocols.compare_pairs(signers, seed=11)
    scores = protocols.draw_comparisons(pairs, references, draws=draws, seed=11)
    mated = protocols.apply_fusion(scores, rule)[scores.kind == Kind.MATED]
    searches = identification_rates._search_all(signers, rule, references, draws, 11)
    np.testing.assert_allclose(np.sort(searches.mate), np.sort(mated), rtol=0, atol=1e-6)


def test_signers_with_too_few_signatures_are_neither_enrolled_nor_searched_for() -> None:
    few = a_signer("few", genuine=3)
    found = measure_identification([few, *seven_signers()], FusionRule(), 3, bootstraps=20)
    assert found.skipped == ("few",)
    assert found == replace_skipped(
        measure_identification(seven_signers(), FusionRule(), 3, bootstraps=20), ("few",)
    )


def replace_skipped(rates: IdentificationRates, skipped) -> IdentificationRates:
    return IdentificationRates(**{**vars(rates), "skipped": skipped})


def test_without_a_threshold_nothing_is_frozen_and_the_result_is_plain_data() -> None:
    found = measure_identification(seven_signers(), FusionRule(), 2, bootstraps=20)
    assert found.frozen is None
    assert (found.references, found.signers, found.draws) == (2, 7, 1)
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["searches"] == 28


def test_what_can_t_be_measured_is_refused() -> None:
    signers = seven_signers()
    for references, draws in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            measure_identification(signers, PLAIN, references, draws=draws)
    with pytest.raises(DatasetError, match="listed twice"):
        measure_identification([*signers, signers[0]], PLAIN, 1)
    with pytest.raises(DatasetError, match="0 of 7 signers"):
        measure_identification(signers, PLAIN, 6)
    with pytest.raises(GenerationMismatch):
        measure_identification([*signers, a_signer("x", model="other")], PLAIN, 1)
