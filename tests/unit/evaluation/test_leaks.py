import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from sigvault.evaluation.gate_statistics import coarse_ink
from sigvault.evaluation.leaks import (
    ALIKE,
    GATE,
    centre_within_signers,
    correlation_within,
    find_near_duplicates,
    measure_leak,
    measure_leaks,
    weighted_auc,
)


def labelled(signers=20, each=10):
    """Signers' names and which of their pictures are forged."""
    names = np.repeat([f"s{number}" for number in range(signers)], 2 * each)
    forged = np.tile(np.repeat([False, True], each), signers)
    return names, forged


@examples(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_auc_is_scikit_learns(seed, size):
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 6, size).astype(float)
    forged = np.arange(size) % 2 == 0
    weights = generator.integers(0, 4, size).astype(float)
    if not (weights[forged].any() and weights[~forged].any()):
        assert np.isnan(weighted_auc(values, forged, weights))
        return
    theirs = roc_auc_score(forged, values, sample_weight=weights)
    assert weighted_auc(values, forged, weights) == pytest.approx(theirs)


class TestLeak:
    def test_noise_does_not_leak(self):
        names, forged = labelled()
        values = np.random.default_rng(0).normal(size=len(names))
        leak = measure_leak("noise", values, forged, names)
        assert leak.worst < 0.6
        assert leak.pooled.low < 0.5 < leak.pooled.high

    def test_a_scanner_leaks_whichever_way_it_points(self):
        names, forged = labelled()
        noise = np.random.default_rng(0).normal(size=len(names))
        for sign in (1, -1):
            leak = measure_leak("paper", noise + sign * 5 * forged, forged, names)
            assert leak.pooled.auc > 0.99
            assert leak.pooled.low > GATE
            assert leak.pooled.forged_higher is (sign == 1)
            assert leak.agreeing == 1

    def test_what_hides_in_the_pool_shows_within_the_signer(self):
        names, forged = labelled()
        generator = np.random.default_rng(0)
        own_level = np.repeat(generator.normal(0, 50, 20), 20)
        values = own_level + forged + generator.normal(0, 0.3, len(names))
        leak = measure_leak("width", values, forged, names)
        assert leak.pooled.auc < 0.55
        assert leak.centred.auc > 0.95

    def test_the_interval_resamples_signers(self):
        """A few signers who differ wholly make a wide interval, however many pictures each has."""
        names, forged = labelled(signers=4, each=200)
        flips = np.repeat([1, 1, -1, 1], 400)
        values = flips * forged + np.random.default_rng(0).normal(0, 0.01, len(names))
        leak = measure_leak("odd", values, forged, names)
        assert leak.agreeing == 0.75
        assert leak.pooled.high - leak.pooled.low > 0.3

    def test_one_signer_alone_gives_no_interval(self):
        leak = measure_leak("x", [1, 2, 3, 4], [False, False, True, True], ["a"] * 4)
        assert leak.pooled.auc == 1
        assert (leak.pooled.low, leak.pooled.high) == (0, 1)

    def test_centring_weighs_both_classes_the_same(self):
        values = np.array([1.0, 3.0, 3.0, 3.0, 7.0])
        forged = np.array([False, True, True, True, False])
        people = np.array([0, 0, 0, 0, 1])
        centred, usable = centre_within_signers(values, forged, people)
        assert centred.tolist() == [-1, 1, 1, 1, 7]
        assert usable.tolist() == [True, True, True, True, False]

    def test_signers_without_forgeries_count_in_the_pool_only(self):
        leak = measure_leak("x", [1, 2, 3, 4], [False, False, True, True], ["a", "a", "b", "b"])
        assert leak.pooled.auc == 1
        assert leak.agreeing == 0.5
        assert leak.centred.auc == 0.5
        assert (leak.centred.low, leak.centred.high) == (0, 1)

    @pytest.mark.parametrize(
        ("values", "forged", "words"),
        [
            ([1, 2, 3], [False, True], "equally long"),
            ([1, 2], [True, True], "genuine"),
            ([1, np.nan], [True, False], "finite"),
        ],
    )
    def test_what_cannot_be_measured_is_refused(self, values, forged, words):
        with pytest.raises(ValueError, match=words):
            measure_leak("x", values, forged, ["a"] * len(forged))

    def test_many_statistics_keep_their_order(self):
        names, forged = labelled(3, 2)
        rows = [{"b": float(value), "a": 1.0} for value in range(len(names))]
        leaks = measure_leaks(rows, forged, list(names), draws=10)
        assert [leak.statistic for leak in leaks] == ["b", "a"]
        assert leaks[1].worst == 0.5


class TestCorrelationWithin:
    @examples(max_examples=25)
    @given(st.integers(0, 2**32 - 1))
    def test_it_is_the_correlation_of_what_is_left_of_each_group(self, seed):
        names, forged = labelled(3, 4)
        generator = np.random.default_rng(seed)
        one, other = generator.normal(size=(2, len(names))) + 5 * forged
        left, right = [], []
        for name in set(names):
            for kind in (False, True):
                own = (names == name) & (forged == kind)
                left += list(one[own] - one[own].mean())
                right += list(other[own] - other[own].mean())
        found = correlation_within(one, other, forged, names)
        assert found == pytest.approx(np.corrcoef(left, right)[0, 1])

    def test_what_differs_between_groups_alone_says_nothing(self):
        names, forged = labelled(3, 4)
        assert correlation_within(forged, forged, forged, names) == 0


class TestNearDuplicates:
    @pytest.fixture
    def inks(self):
        generator = np.random.default_rng(0)
        strokes = np.zeros((6, 128, 208), np.float32)
        for canvas in strokes:
            for _ in range(12):
                top, left = generator.integers(4, 120), generator.integers(4, 150)
                canvas[top : top + 3, left : left + 50] = 1
        return strokes

    def test_a_copy_is_found_though_compressed_and_shifted(self, inks):
        noise = np.random.default_rng(1).normal(0, 0.05, inks[2].shape)
        inks[5] = np.clip(np.roll(inks[2], 1, axis=1) + noise, 0, 1)
        coarse = [coarse_ink(ink) for ink in inks]
        (pair,) = find_near_duplicates(coarse)
        assert (pair.first, pair.second) == (2, 5)
        assert pair.correlation == pytest.approx(np.corrcoef(coarse[2], coarse[5])[0, 1], abs=1e-5)
        assert pair.correlation > ALIKE

    def test_different_signatures_are_no_duplicates(self, inks):
        assert find_near_duplicates([coarse_ink(ink) for ink in inks]) == ()
        assert find_near_duplicates([coarse_ink(inks[0])]) == ()
        assert find_near_duplicates([]) == ()

    def test_the_most_alike_come_first_and_blank_ones_are_nobodys_copy(self, inks):
        inks[1], inks[3] = inks[0], np.clip(inks[2] + 0.1 * inks[4], 0, 1)
        inks[5] = 0
        pairs = find_near_duplicates([coarse_ink(ink) for ink in inks])
        assert [(pair.first, pair.second) for pair in pairs] == [(0, 1), (2, 3)]
        assert pairs[0].correlation > pairs[1].correlation

    def test_all_pairs_are_found_over_several_blocks(self, inks, monkeypatch):
        monkeypatch.setattr("sigvault.evaluation.leaks._BLOCK", 2)
        inks[3] = inks[5] = inks[0]
        pairs = find_near_duplicates([coarse_ink(ink) for ink in inks])
        assert {(pair.first, pair.second) for pair in pairs} == {(0, 3), (0, 5), (3, 5)}
