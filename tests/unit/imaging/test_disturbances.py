"""That each disturbance does what its name says, and loses nothing of the signature."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from sigvault.imaging.disturbances import Disturbance, disturb
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING

RANDOM = {
    Disturbance.SHADOW,
    Disturbance.RULED,
    Disturbance.PRINTED,
    Disturbance.TURNED_5,
    Disturbance.TURNED_10,
    Disturbance.TURNED_20,
    Disturbance.NOISE,
    Disturbance.FAINT,
    Disturbance.PERSPECTIVE,
}
"""Those that leave something to chance."""

MOVING = (
    Disturbance.HALVED,
    Disturbance.DOUBLED,
    Disturbance.TURNED_5,
    Disturbance.TURNED_10,
    Disturbance.TURNED_20,
    Disturbance.PERSPECTIVE,
)

PAPER, INK = 240, 60
"""The levels of a drawn signature."""


def dark(pixels, level: float = 0.5):
    """Where a picture is darker than a share of its median."""
    return pixels < level * np.median(pixels)


def steepest(pixels) -> int:
    return int(np.abs(np.diff(pixels.astype(int), axis=1)).max())


@pytest.mark.parametrize("disturbance", Disturbance)
def test_a_disturbance_is_a_pure_function_of_picture_strength_and_seed(disturbance, signature):
    before = signature.copy()
    once, again, other = (disturb(signature, disturbance, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(signature, before)
    np.testing.assert_array_equal(once, again)
    assert once.dtype == np.uint8
    assert once.ndim == 2
    assert not np.array_equal(once, signature)
    changed = any(
        not np.array_equal(once, disturb(signature, disturbance, seed=seed)) for seed in range(4, 9)
    )
    assert changed == (disturbance in RANDOM)
    assert other.dtype == np.uint8


@pytest.mark.parametrize("disturbance", sorted(set(Disturbance) - {Disturbance.HALVED}))
def test_the_signature_survives_in_a_form_that_can_serve(disturbance, signature, as_image):
    for seed in range(3):
        prepared = DEFAULT_PREPROCESSING.prepare(
            as_image(disturb(signature, disturbance, seed=seed))
        )
        assert not [finding for finding in prepared.findings if finding.severe]
        assert prepared.ink.ink.sum() > 0


@pytest.mark.parametrize("disturbance", Disturbance)
def test_no_strength_is_next_to_no_disturbance(disturbance, signature):
    found = disturb(signature, disturbance, strength=0.0)
    assert found.shape == signature.shape
    assert np.abs(found.astype(int) - signature).mean() < 1.0


@pytest.mark.parametrize(
    "disturbance",
    sorted(set(Disturbance) - {Disturbance.HALVED, Disturbance.DOUBLED, *MOVING[2:]}),
)
def test_more_strength_changes_more(disturbance, signature):
    changes = [
        np.abs(disturb(signature, disturbance, strength=s, seed=1).astype(int) - signature).mean()
        for s in (0.25, 0.5, 1.0)
    ]
    assert changes == sorted(changes)
    assert changes[0] < changes[2]


@pytest.mark.parametrize("disturbance", MOVING)
def test_nothing_is_cut_off_at_the_corners(disturbance):
    """Four blots in the corners are still four, and as large for their picture."""
    page = np.full((200, 360), PAPER, np.uint8)
    for rows in (slice(0, 20), slice(-20, None)):
        for columns in (slice(0, 20), slice(-20, None)):
            page[rows, columns] = 10
    factor = {Disturbance.HALVED: 0.25, Disturbance.DOUBLED: 4.0}.get(disturbance, 1.0)
    for seed in range(8):
        labels, count = ndimage.label(dark(disturb(page, disturbance, seed=seed)))
        assert count == 4
        areas = np.bincount(labels.ravel())[1:] / (factor * 400)
        assert areas.min() > 0.85


def test_tinted_paper_is_darker_and_ink_stands_out_less(signature):
    tinted = disturb(signature, Disturbance.TINT)
    assert np.median(tinted) == pytest.approx(0.7 * PAPER, abs=12)
    assert 0.5 < (np.median(tinted) - tinted.min()) / (PAPER - INK) < 0.65


@pytest.mark.parametrize("seed", range(4))
def test_light_falls_to_two_fifths_across_the_page(seed):
    page = np.full((100, 200), 250, np.uint8)
    shaded = disturb(page, Disturbance.SHADOW, seed=seed)
    assert (shaded.min(), shaded.max()) == (100, 250)
    assert steepest(shaded) < 10


def test_ruled_lines_run_across_and_leave_ink_as_dark_as_it_was(signature):
    ruled = disturb(signature, Disturbance.RULED, seed=1)
    lines = np.flatnonzero((ruled < 0.6 * PAPER).all(axis=1))
    assert set(np.diff(lines)) <= {1, 53, 54, 55}
    assert 5 <= len(lines) <= 14
    np.testing.assert_array_equal(ruled[signature == INK], INK)


def test_printed_words_lie_at_the_top_and_in_the_lower_half():
    page = np.full((300, 600), PAPER, np.uint8)
    for seed in range(4):
        rows = np.flatnonzero(dark(disturb(page, Disturbance.PRINTED, seed=seed)).any(axis=1))
        assert rows.min() < 60
        assert ((rows > 180) & (rows < 270)).sum() > 10
        assert not ((rows > 90) & (rows < 180)).any()


def test_scales_change_the_pixels_alone(signature):
    height, width = signature.shape
    assert disturb(signature, Disturbance.HALVED).shape == (height // 2, width // 2)
    assert disturb(signature, Disturbance.DOUBLED).shape == (2 * height, 2 * width)
    assert disturb(signature[:1, :1], Disturbance.HALVED).shape == (1, 1)


@pytest.mark.parametrize(
    ("disturbance", "degrees"),
    [(Disturbance.TURNED_5, 5), (Disturbance.TURNED_10, 10), (Disturbance.TURNED_20, 20)],
)
def test_a_picture_is_turned_by_so_much_to_either_side_on_its_own_paper(disturbance, degrees):
    page = np.full((301, 601), PAPER, np.uint8)
    page[147:154, 100:500] = INK
    slopes = set()
    for seed in range(6):
        turned = disturb(page, disturbance, seed=seed)
        rows, columns = np.nonzero(dark(turned))
        slopes.add(round(np.degrees(np.arctan(np.polyfit(columns, rows, 1)[0]))))
        np.testing.assert_array_equal(turned[[0, 0, -1, -1], [0, -1, 0, -1]], PAPER)
    assert slopes == {-degrees, degrees}


def test_jpeg_leaves_blocks_where_the_page_was_even(signature):
    saved = disturb(signature, Disturbance.JPEG)
    assert saved.shape == signature.shape
    assert 0.5 < np.abs(saved.astype(int) - signature).mean() < 10


def test_blur_takes_edges_down_and_noise_grains_the_page(signature):
    assert steepest(disturb(signature, Disturbance.BLUR)) < 0.5 * steepest(signature)
    grey = np.full((200, 200), 128, np.uint8)
    grained = disturb(grey, Disturbance.NOISE)
    assert grained.std() == pytest.approx(20, rel=0.05)
    assert grained.mean() == pytest.approx(128, abs=1)


def test_a_light_pen_leaves_a_quarter_of_the_ink_here_more_and_there_less(signature):
    faint = disturb(signature, Disturbance.FAINT, seed=2)
    kept = (PAPER - faint[signature == INK].astype(float)) / (PAPER - INK)
    assert kept.mean() == pytest.approx(0.25, abs=0.06)
    assert 0.09 <= kept.min() < 0.2
    assert 0.3 < kept.max() <= 0.41
    np.testing.assert_array_equal(faint[signature == PAPER], PAPER)


def test_a_photograph_is_askew_so_that_parallels_meet_and_is_shaded():
    page = np.full((300, 600), PAPER, np.uint8)
    page[60:66, 50:550] = page[234:240, 50:550] = INK
    photographed = disturb(page, Disturbance.PERSPECTIVE, seed=3)
    labels, count = ndimage.label(dark(photographed, 0.6))
    assert count == 2
    slopes = [np.polyfit(*np.nonzero(labels == line)[::-1], 1)[0] for line in (1, 2)]
    assert abs(slopes[0] - slopes[1]) > 0.01
    light = photographed[photographed > 130]
    assert light.max() - light.min() > 0.2 * PAPER


def test_four_corners_go_where_a_photograph_puts_them():
    """Against a projection that is solved for and applied by hand."""
    from sigvault.imaging.disturbances import _projection

    places = np.array([(3.0, 5.0), (90.0, 1.0), (97.0, 60.0), (0.0, 55.0)])
    sources = np.array([(0.0, 0.0), (80.0, 0.0), (80.0, 50.0), (0.0, 50.0)])
    a, b, c, d, e, f, g, h = _projection(places, sources)
    matrix = np.array([[a, b, c], [d, e, f], [g, h, 1.0]])
    found = np.c_[places, np.ones(4)] @ matrix.T
    np.testing.assert_allclose(found[:, :2] / found[:, 2:], sources, atol=1e-9)


def test_ink_lies_in_a_turned_picture_where_turning_the_ink_puts_it(signature):
    turned = disturb(signature, Disturbance.TURNED_20, seed=0)
    masks = [
        np.asarray(Image.fromarray(dark(signature)).rotate(angle, expand=True))
        for angle in (-20, 20)
    ]
    agreement = max(float((mask == dark(turned)).mean()) for mask in masks)
    assert agreement > 0.98


def test_a_negative_strength_is_refused(signature):
    for strength in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="strength"):
            disturb(signature, Disturbance.BLUR, strength=strength)
