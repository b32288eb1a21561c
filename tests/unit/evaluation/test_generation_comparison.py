"""Two generations on the same comparisons: what is measured, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fakes import make_threshold
from sigvault.domain.comparison import Decision, Rate, compare, select_threshold
from sigvault.domain.embedding import Embedding
from sigvault.domain.fusion import FusionRule
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ModelId, ReferenceId, SignerId
from sigvault.evaluation import generation_scores
from sigvault.evaluation.generation_changes import Change, Margins, Verdict
from sigvault.evaluation.generation_comparison import compare_generations
from sigvault.evaluation.generation_scores import (
    DECISIONS,
    MOST_SIGNERS,
    Kind,
    Side,
    measure_gallery,
    plan_comparisons,
)
from sigvault.evaluation.generation_verdict import Compared, Undecided, judge

SPREAD = FusionRule(top=2, local_weight=0.4, cosine_spread=0.3, local_spread=0.6)


def side(
    *,
    number: int = 1,
    signers: int = 12,
    each: int = 4,
    noise: float = 0.2,
    forged: int = 0,
    accept: float = 0.85,
    refuse: float = 0.6,
    fusion: FusionRule | None = None,
    references: tuple[int, ...] = (1, 3),
) -> Side:
    """Signers around directions of their own; the same signers with other noise otherwise."""
    model = ModelId(f"m{number}")
    rng = np.random.default_rng(5)
    own = rng.standard_normal((signers, 32))
    scatter = np.random.default_rng(100 + number)

    def embed(centre: np.ndarray) -> Embedding:
        vector = centre / np.linalg.norm(centre) + noise * scatter.standard_normal(32) / np.sqrt(32)
        local = scatter.integers(1, 20, (3, 4, 5)).astype(np.int8) + (8 * centre[:5]).astype(
            np.int8
        )
        return Embedding((vector / np.linalg.norm(vector)).astype(np.float32), local, model)

    galleries = {
        SignerId(f"s{place}"): Gallery(
            SignerId(f"s{place}"),
            GenerationId(number),
            tuple(
                Reference(ReferenceId(f"{place}-{one}"), embed(own[place])) for one in range(each)
            ),
        )
        for place in range(signers)
    }
    forgeries = {
        signer: [embed(own[place] + 0.4 * rng.standard_normal(32)) for _ in range(forged)]
        for place, signer in enumerate(galleries)
    }
    thresholds = tuple(
        replace(
            make_threshold(count, model, accept=accept, refuse=refuse),
            **({"fusion": fusion} if fusion else {}),
        )
        for count in references
    )
    return Side(GenerationId(number), model, galleries, thresholds, forgeries)


def renumbered(one: Side, number: int) -> Side:
    return replace(one, generation=GenerationId(number))


def changes(comparison) -> dict:
    return {change.measure: change for change in comparison.changes}


def test_the_same_on_both_sides_is_fit_and_nothing_differs():
    one = side(signers=20, forged=4)
    found = compare_generations(one, renumbered(one, 2))
    assert (found.verdict, found.reasons, found.worse_signers) == (Verdict.FIT, (), ())
    assert (found.old, found.new, found.signers, found.skipped) == (1, 2, 20, 0)
    assert found.comparisons == {"mated": 80, "random": 1520, "skilled": 80}
    assert set(changes(found)) == {"fnmr", "refused", "fmr", "skilled_fmr", "eer", "cllr"}
    for change in found.changes:
        assert change.old == change.new
        assert change.difference.value == 0
        assert change.verdict is Verdict.FIT
    for table in found.flips.values():
        assert all(table[old][new] == 0 for old in range(3) for new in range(3) if old != new)


@pytest.mark.parametrize("each", [2, 3, 5])
def test_every_score_is_that_of_comparing_with_the_gallery_without_the_reference(each):
    one = side(each=each, forged=1, fusion=SPREAD)
    for planned in plan_comparisons(one, list(one.galleries), 3):
        gallery = one.galleries[planned.signer]
        threshold = select_threshold(one.thresholds, each - 1)
        measured = measure_gallery(one, planned)

        def against(probe: Embedding, without: int, *, gallery=gallery, threshold=threshold):
            left = gallery.references[:without] + gallery.references[without + 1 :]
            return compare(probe, replace(gallery, references=left), threshold.fusion).value

        expected = [
            *(against(gallery.references[place].embedding, place) for place in planned.probes),
            *(
                against(one.galleries[other].references[place].embedding, planned.left_out)
                for other, place in planned.strangers
            ),
            *(against(probe, planned.left_out) for probe in one.forgeries[planned.signer]),
        ]
        assert np.allclose(measured.beyond + threshold.accept, expected, atol=1e-6)
        assert [DECISIONS[place] for place in measured.decisions] == [
            threshold.decide(score) for score in measured.beyond + threshold.accept
        ]
        assert planned.signer not in [other for other, _ in planned.strangers]


def test_a_noisier_model_is_refused_with_the_figures():
    found = compare_generations(side(noise=0.1), side(number=2, noise=1.5))
    assert found.verdict is Verdict.WORSE
    fnmr = changes(found)["fnmr"]
    assert fnmr.difference.value > fnmr.margin
    assert fnmr.difference.value == pytest.approx(fnmr.new.value - fnmr.old.value)
    assert any(reason.startswith("genuine signatures not accepted") for reason in found.reasons)
    worst = found.worse_signers[0]
    assert worst.probes == 4
    assert worst.accepted[1] < worst.accepted[0] or worst.refused[1] > worst.refused[0]


def test_a_better_model_is_fit():
    worse, better = side(signers=20, noise=1.5), side(signers=20, number=2, noise=0.1)
    assert compare_generations(worse, better).verdict is Verdict.FIT


@pytest.mark.parametrize(
    ("accept", "refuse", "measure"),
    [(5.0, 0.0, "fnmr"), (5.0, 4.0, "refused"), (-5.0, -6.0, "fmr")],
)
def test_thresholds_that_answer_all_alike_are_refused(accept, refuse, measure):
    one = side()
    other = side(accept=accept, refuse=refuse)
    found = compare_generations(one, renumbered(other, 2))
    assert found.verdict is Verdict.WORSE
    assert changes(found)[measure].verdict is Verdict.WORSE


def test_what_never_happened_is_not_known_more_finely_than_by_the_rule_of_three():
    one = side(each=4)  # 48 genuine probes and 528 others, with no decision changed
    found = compare_generations(one, renumbered(one, 2))
    assert found.verdict is Verdict.UNKNOWN
    for measure, comparisons in {"fnmr": 48, "refused": 48, "fmr": 528}.items():
        change = changes(found)[measure]
        clean = 1.0 - 0.05 ** (1.0 / comparisons)
        assert (change.difference.low, change.difference.high) == pytest.approx((-clean, clean))
        assert change.verdict is Verdict.UNKNOWN
        if not change.old.value:
            assert change.old.high == pytest.approx(clean)
    separate = changes(found)["eer"]
    assert (separate.old.value, separate.verdict) == (0.0, Verdict.FIT)
    assert separate.old.high == pytest.approx(1.0 - 0.05 ** (1.0 / 48))
    assert len(found.reasons) == 4
    assert "about 28 signers like these would do" in found.reasons[0]
    assert "--compare-on DATA" in found.reasons[-1]


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.03, 0.001, 0.06, Verdict.WORSE),
        (0.03, 0.0, 0.06, Verdict.UNKNOWN),  # more than may be, and it could be chance
        (0.02, 0.001, 0.039, Verdict.FIT),
        (0.02, 0.001, 0.04, Verdict.UNKNOWN),  # no more than may be, and it could be twice as much
        (-0.1, -0.2, -0.05, Verdict.FIT),
    ],
)
def test_a_change_is_judged_by_its_value_and_its_interval(value, low, high, verdict):
    rate = Rate(0.1, 0.0, 0.2)
    assert Change("fnmr", rate, rate, Rate(value, low, high), 0.02).verdict is verdict


def test_a_difference_that_could_be_chance_is_told_as_such():
    rate, fine = Rate(0.1, 0.0, 0.2), Rate(0.0, -0.01, 0.01)
    unsure = Change("fnmr", rate, rate, Rate(0.03, -0.01, 0.07), 0.02)
    verdict, reasons = judge((unsure, Change("fmr", rate, rate, fine, 0.02)), Compared(10, 10))
    assert verdict is Verdict.UNKNOWN
    assert len(reasons) == 2
    assert "could be chance" in reasons[0]


def test_accepting_more_forgeries_is_worse():
    one = side(forged=3, accept=0.99, refuse=0.5)
    lax = side(forged=3, accept=-5.0, refuse=-6.0)
    found = compare_generations(
        one, renumbered(lax, 2), margins=Margins(fmr=1.0, eer=1.0, cllr=9.0)
    )
    assert changes(found)["skilled_fmr"].new.value == 1.0
    assert [reason.split(":")[0] for reason in found.reasons] == ["skilled forgeries accepted"]


def test_flips_are_counted_by_kind():
    one = side()
    found = compare_generations(one, renumbered(side(accept=5.0, refuse=-5.0), 2))
    mated = np.array(found.flips["mated"])
    assert mated.sum() == found.comparisons["mated"]
    assert mated[:, DECISIONS.index(Decision.REVIEW)].sum() == mated.sum()


def test_nothing_is_told_where_neither_side_decides_about_any_comparison():
    one = side(each=2, references=(3, 5))
    noise = side(number=2, each=2, noise=5.0, references=(3, 5))
    found = compare_generations(one, noise)
    assert (found.verdict, found.signers, found.skipped, found.changes) == (
        Verdict.UNKNOWN,
        0,
        12,
        (),
    )
    assert found.undecided == (Undecided(2, 12, (GenerationId(1), GenerationId(2))),)
    assert "12 signers with 2 references" in found.reasons[1]
    assert "no threshold for 1 reference" in found.reasons[1]


def test_only_signers_that_both_sides_decide_about_count():
    mixed = side(signers=24, each=4, references=(3,))
    halved = {
        signer: shortened(gallery, 2 if place % 2 else 4)
        for place, (signer, gallery) in enumerate(mixed.galleries.items())
    }
    mixed = replace(mixed, galleries=halved)
    found = compare_generations(mixed, renumbered(mixed, 2))
    assert (found.signers, found.skipped) == (12, 12)
    assert found.comparisons["mated"] == 48
    assert found.undecided == (Undecided(2, 12, (GenerationId(1), GenerationId(2))),)


def test_what_one_side_alone_decides_about_is_not_held_against_the_other():
    """Leaving one out is the comparison's doing: with all three references both decide."""
    one = side(each=3, references=(1, 3))
    found = compare_generations(one, renumbered(side(each=3, references=(3,)), 2))
    assert (found.verdict, found.signers, found.lost) == (Verdict.UNKNOWN, 0, 0)
    assert found.undecided == (Undecided(3, 12, (GenerationId(2),)),)


@pytest.mark.parametrize("each", [1, 2])
def test_signers_that_could_not_be_decided_about_any_more_are_lost(each):
    one = side(each=each)
    found = compare_generations(one, renumbered(side(each=each, references=(3,)), 2))
    assert (found.verdict, found.lost) == (Verdict.WORSE, 12)
    assert "12 signers could not be decided about any more" in found.reasons[0]


def test_the_cost_is_that_of_the_naive_sum():
    one, other = side(), side(number=2, noise=0.6)
    found = changes(compare_generations(one, other))["cllr"]
    for own, rate in ((one, found.old), (other, found.new)):
        costs = {Kind.MATED: [], Kind.RANDOM: []}
        for planned in plan_comparisons(own, list(own.galleries), 0):
            measured = measure_gallery(own, planned)
            for kind, llr in zip(measured.kinds, measured.llrs, strict=True):
                ratio = 10.0**llr
                cost = np.log2(1 + 1 / ratio) if kind == Kind.MATED else np.log2(1 + ratio)
                costs[Kind(kind)].append(cost)
        assert rate.value == pytest.approx(sum(np.mean(each) for each in costs.values()) / 2)


def test_few_signers_are_compared_with_all_they_have_and_many_with_some(monkeypatch):
    one = side(signers=4, each=3)
    for planned in plan_comparisons(one, list(one.galleries), 0):
        assert sorted(planned.probes) == [0, 1, 2]
        everything = {(other, place) for other in one.galleries for place in range(3)}
        assert set(planned.strangers) == {pair for pair in everything if pair[0] != planned.signer}
        assert len(planned.strangers) == 9
    monkeypatch.setattr(generation_scores, "_MATED", 0)
    monkeypatch.setattr(generation_scores, "_RANDOM", 8)
    many = side(signers=4, each=5)
    for planned in plan_comparisons(many, list(many.galleries), 0):
        assert len(set(planned.probes)) == 3
        assert len({other for other, _ in planned.strangers}) == 2


def test_thresholds_that_were_made_without_the_signer_decide_about_it():
    one = side()
    strict = side(accept=5.0, refuse=4.0).thresholds
    other = replace(one, held_out={SignerId("s3"): strict})
    found = compare_generations(one, renumbered(other, 2))
    assert [change.signer for change in found.worse_signers] == ["s3"]
    assert found.worse_signers[0].accepted[1] == 0


def test_signers_that_one_generation_lacks_are_not_taken_for_no_signers():
    nobody = side(signers=0)
    found = compare_generations(nobody, renumbered(nobody, 2), lacking=20)
    assert (found.verdict, found.skipped) == (Verdict.UNKNOWN, 20)


def test_few_signers_can_not_tell_but_can_be_seen_to_be_worse():
    few = side(signers=5)
    found = compare_generations(few, renumbered(few, 2))
    assert found.verdict is Verdict.UNKNOWN
    assert "10 with two references or more are needed" in found.reasons[0]
    worse = compare_generations(few, renumbered(side(signers=5, accept=5.0), 2))
    assert worse.verdict is Verdict.WORSE


def test_single_references_leave_nothing_to_compare_with():
    single = side(each=1)
    found = compare_generations(single, renumbered(single, 2))
    assert (found.signers, found.skipped, found.changes) == (0, 12, ())
    assert found.verdict is Verdict.UNKNOWN


def test_a_single_signer_has_no_strangers():
    alone = side(signers=1)
    found = compare_generations(alone, renumbered(alone, 2))
    assert set(changes(found)) == {"fnmr", "refused"}


def test_an_empty_vault_can_not_get_worse():
    empty = side(signers=0)
    assert compare_generations(empty, renumbered(empty, 2)).verdict is Verdict.FIT


def test_large_vaults_are_compared_in_part_and_the_same_for_the_same_seed():
    many = side(signers=MOST_SIGNERS + 40, each=2)
    found = [
        compare_generations(many, renumbered(many, 2), seed=seed, bootstraps=5).changes
        for seed in (1, 1, 2)
    ]
    assert found[0] == found[1] != found[2]
    assert compare_generations(many, many, bootstraps=5).signers == MOST_SIGNERS


def test_the_summary_names_nobody():
    found = compare_generations(side(noise=0.1), side(number=2, noise=1.5))
    assert found.worse_signers
    summary = found.summary()
    assert summary["signers_worse"] == len(found.worse_signers)
    assert not any(f"'{one.signer}'" in str(summary) for one in found.worse_signers)


def shortened(gallery: Gallery, references: int = 3) -> Gallery:
    return replace(gallery, references=gallery.references[:references])


@pytest.mark.parametrize(
    "change",
    [
        lambda galleries: {**galleries, SignerId("s1"): shortened(galleries[SignerId("s1")])},
        lambda galleries: dict(list(galleries.items())[1:]),
    ],
)
def test_other_signers_or_references_do_not_compare(change: Callable):
    one = side()
    with pytest.raises(ValueError, match="same signers and references"):
        compare_generations(one, replace(one, galleries=change(one.galleries)))


def test_progress_counts_the_signers():
    told = []
    one = side()
    compare_generations(one, one, progress=lambda *step: told.append(step))
    assert told == [(done, 12) for done in range(1, 13)]
