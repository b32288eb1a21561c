import numpy as np
import pytest

from sigvault.imaging.canvas import ink_box
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.imaging.quality import QualityLimits, inspect_ink, strokes_at_border, widest_gap


def findings_of(pixels, as_image):
    return {one.name: one for one in DEFAULT_PREPROCESSING.prepare(as_image(pixels)).findings}


def test_a_good_signature_has_no_findings(signature, as_image):
    assert findings_of(signature, as_image) == {}


@pytest.mark.parametrize("level", [0, 30, 200, 255])
def test_a_blank_page(level, as_image):
    found = findings_of(np.full((300, 500), level, np.uint8), as_image)
    assert set(found) == {"blank"}
    assert found["blank"].severe
    assert found["blank"].value == 0


def test_a_signature_that_is_cut_off(drawn, as_image):
    letters = np.concatenate([drawn(200, 200)] * 3, axis=1)
    found = findings_of(letters[100:], as_image)
    assert found["cut_off"].severe
    assert found["cut_off"].value >= found["cut_off"].limit
    assert "missing" in found["cut_off"].message


def test_a_tight_crop_is_not_cut_off(drawn, as_image):
    pixels = drawn()
    box = ink_box(pixels < 150)
    tight = pixels[box.top : box.bottom, box.left : box.right]
    found = findings_of(tight, as_image)
    assert not any(one.severe for one in found.values())


def test_too_little_ink(as_image):
    pixels = np.full((300, 500), 240, np.uint8)
    pixels[150:154, 200:240] = 50
    found = findings_of(pixels, as_image)
    assert found["too_little_ink"].severe
    pixels[150:154, 150:350] = 50
    assert not findings_of(pixels, as_image)["too_little_ink"].severe


@pytest.mark.parametrize(("width", "severe"), [(70, True), (130, False)])
def test_a_resolution_that_is_too_low(drawn, as_image, width, severe):
    pixels = drawn(width, 3 * width // 5, pen=2, margin=0.05)
    found = findings_of(pixels, as_image)
    assert found["low_resolution"].severe is severe
    assert found["low_resolution"].value == pytest.approx(0.9 * width, abs=0.1 * width)


@pytest.mark.parametrize("axis", [0, 1])
def test_several_signatures(drawn, as_image, axis):
    one = drawn(400, 200, margin=0.05)
    blank = np.full_like(one, 240)
    far = [one, blank, blank, blank, one]
    found = findings_of(np.concatenate(far, axis=axis), as_image)
    assert found["several_signatures"].severe
    where = "above" if axis == 0 else "side by side"
    assert where in found["several_signatures"].message
    near = np.concatenate([one, one], axis=axis)
    assert "several_signatures" not in findings_of(near, as_image)


def test_noise_is_too_much_ink(as_image):
    noise = np.random.default_rng(0).integers(0, 256, (300, 500), np.uint8)
    assert findings_of(noise, as_image)["too_much_ink"].severe


def test_a_filled_box_is_too_dense(as_image):
    pixels = np.full((300, 500), 240, np.uint8)
    pixels[140:160, 100:400] = 40
    assert findings_of(pixels, as_image)["too_dense"].severe


def test_faint_ink_is_told_but_serves(drawn, as_image):
    found = findings_of(drawn(paper=240, ink=195), as_image)
    assert not found["faint"].severe
    assert found["faint"].value == pytest.approx(45 / 240, abs=0.01)


def test_severe_findings_come_first():
    ink = np.zeros((60, 60), bool)
    ink[20:24, 0:60:6] = True
    ink[0, ::4] = True
    found = inspect_ink(ink, zoom=1.0, contrast=0.1)
    order = [one.severe for one in found]
    assert order == sorted(order, reverse=True)
    assert order[0]
    assert not order[-1]


def test_limits_can_be_set(signature, as_image):
    ink = signature < 150
    strict = QualityLimits(small=10_000, too_small=5_000)
    assert inspect_ink(ink, zoom=1.0, contrast=0.8) == ()
    assert inspect_ink(ink, zoom=1.0, contrast=0.8, limits=strict)[0].limit == 5_000


def test_strokes_at_the_border_are_counted_on_the_worst_side():
    ink = np.zeros((20, 30), bool)
    assert strokes_at_border(ink) == 0
    ink[0, 2:5] = ink[0, 9] = ink[0, 29] = True
    ink[19, 3:20] = True
    assert strokes_at_border(ink) == 3


def test_gaps_between_parts_that_matter():
    ink = np.zeros((100, 10), bool)
    ink[0:20] = ink[50:90] = True
    assert widest_gap(ink, 0.2, above=True).ratio == 30 / 20
    assert widest_gap(ink, 0.2, above=False).ratio == 0
    assert widest_gap(ink, 0.4, above=True).ratio == 0
    assert widest_gap(ink.T, 0.2, above=False).ratio == 30 / 20
