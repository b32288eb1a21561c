import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from sigvault.evaluation.leaks import (
    GATE,
    centre_within_signers,
    find_near_duplicates,
    grey_statistics,
    ink_statistics,
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


class TestStatistics:
    def test_of_a_grey_picture(self):
        pixels = np.full((50, 100), 240, np.uint8)
        pixels[20:30, 10:60] = 40
        found = grey_statistics(pixels)
        assert found["paper median"] == 240
        assert found["ink mean"] == found["ink tenth percentile"] == 40
        assert found["grey levels"] == 2
        assert found["ink fraction"] == pytest.approx(0.1)
        assert found["steepest edge"] == 200
        assert (found["width"], found["height"], found["aspect"]) == (100, 50, 2)

    def test_of_ink(self):
        ink = np.zeros((128, 208), np.float32)
        ink[40:44, 20:120] = ink[80:84, 20:120] = 1
        found = ink_statistics(ink)
        assert found["separate pieces"] == 2
        assert (found["width"], found["height"]) == (100, 44)
        assert found["ink fraction"] == pytest.approx(8 / 44)
        assert found["stroke width"] == pytest.approx(2 * 800 / (2 * 208))
        assert found["share of half tones"] == 0
        assert found["upright travel"] == pytest.approx(16 / 400)
        assert found["steepest edge across"] == 0
        assert found["steepest edge down"] == 1

    def test_of_a_blank_picture(self):
        assert set(ink_statistics(np.zeros((128, 208), np.float32)).values()) == {0.0}
        for level in (0, 255):
            blank = grey_statistics(np.full((3, 1), level, np.uint8))
            assert np.isfinite(list(blank.values())).all()


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

    def test_a_copy_under_another_signer_is_found_though_compressed_and_shifted(self, inks):
        noise = np.random.default_rng(1).normal(0, 0.05, inks[2].shape)
        inks[5] = np.clip(np.roll(inks[2], 1, axis=1) + noise, 0, 1)
        (pair,) = find_near_duplicates(inks, list("abcdef"))
        assert (pair.first, pair.second) == (2, 5)
        assert pair.correlation > 0.9

    def test_a_copy_under_the_same_signer_is_not_across(self, inks):
        inks[5] = inks[2]
        assert find_near_duplicates(inks, list("abcdec")) == ()

    def test_different_signatures_are_no_duplicates(self, inks):
        assert find_near_duplicates(inks, list("abcdef")) == ()
        assert find_near_duplicates(inks[:1], ["a"]) == ()

    def test_the_most_alike_come_first_and_blank_ones_are_nobodys_copy(self, inks):
        inks[1], inks[3] = inks[0], np.clip(inks[2] + 0.1 * inks[4], 0, 1)
        inks[5] = 0
        pairs = find_near_duplicates(inks, list("abcdef"))
        assert [(pair.first, pair.second) for pair in pairs] == [(0, 1), (2, 3)]
        assert pairs[0].correlation > pairs[1].correlation

    def test_groups_must_fit(self, inks):
        with pytest.raises(ValueError, match="one group"):
            find_near_duplicates(inks, ["a"])
