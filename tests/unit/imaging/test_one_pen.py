"""A path redrawn by one pen: what stays, and what is gone."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage.morphology import skeletonize

from sigvault.domain.errors import CheckpointMismatch
from sigvault.domain.image import SignatureImage
from sigvault.imaging.one_pen import draw, fit_path, shrink, trace
from sigvault.imaging.preprocessing import (
    DEFAULT_PREPROCESSING,
    PEN,
    finer_canvas,
    pen_of,
    preprocessing_by_name,
    read_preprocessing,
)
from sigvault.imaging.sauvola import Preprocessing


def drawn(width: int, *, tone: int = 20) -> SignatureImage:
    """The same path by a pen of some width."""
    page = Image.new("L", (600, 300), 245)
    points = [(60, 220), (120, 80), (200, 230), (300, 90), (380, 200), (540, 120)]
    drawing = ImageDraw.Draw(page)
    drawing.line(points, fill=tone, width=width)
    for point in points:  # a pen's strokes begin, turn and end round
        drawing.circle(point, width / 2, fill=tone)
    return SignatureImage(np.asarray(page), "0" * 64, 600, 300)


def stroke_width(ink: np.ndarray) -> float:
    outline = np.abs(np.diff(ink, axis=0)).sum() + np.abs(np.diff(ink, axis=1)).sum()
    return float(2 * ink.sum() / outline)


def apart(first: np.ndarray, second: np.ndarray) -> float:
    """How far the ink of one lies from the other's, on the average, in pixels."""
    strong = first > 0.5, second > 0.5
    far = [ndimage.distance_transform_edt(~each) for each in strong]
    return float(far[0][strong[1]].mean() + far[1][strong[0]].mean()) / 2


def redraw(ink: np.ndarray, pen: float) -> np.ndarray:
    return draw(trace(ink), pen, shape=ink.shape)


def blots(seed: int, shape: tuple[int, int], softness: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return ndimage.gaussian_filter(rng.random(shape), softness) > 0.5


@pytest.mark.parametrize("pen", [0.5, 1.0, 4.0, 6.6, 8.8, 10.0])
def test_a_pen_draws_a_disc_at_every_pixel_wherever_it_lies(pen: float) -> None:
    rng = np.random.default_rng(1)
    path = rng.integers(-9, 49, (80, 2))
    rows, columns = np.mgrid[:40, :40]
    far = np.hypot(rows[..., None] - path[:, 0], columns[..., None] - path[:, 1])
    assert np.array_equal(draw(path, pen, shape=(40, 40)), (far <= pen / 2).any(axis=2))


@pytest.mark.parametrize("factor", [1, 3, 4, 8, 20])
def test_squares_are_averaged(factor: int) -> None:
    fine = blots(factor, (5 * factor, 7 * factor), 1.0)
    squares = fine.reshape(5, factor, 7, factor)
    assert np.array_equal(shrink(fine, factor), squares.mean(axis=(1, 3), dtype=np.float32))
    assert shrink(np.ones_like(fine), factor).max() == 1.0


@pytest.mark.parametrize("pen", [3.0, 6.0, 9.0])
def test_a_line_is_drawn_as_wide_as_the_pen(pen: float) -> None:
    ink = np.zeros((40, 100), bool)
    ink[15:26, 10:90] = True
    found = redraw(ink, pen)
    assert found.shape == ink.shape
    assert abs(found[:, 50].sum() - pen) <= 1.0


@pytest.mark.parametrize("pen", [1.0, 2.0, 5.7, 8.8])
def test_the_pen_covers_what_lies_within_half_its_width_of_the_path(pen: float) -> None:
    ink = np.asarray(drawn(9).pixels < 128)[::3, ::3]
    apart = ndimage.distance_transform_edt(~skeletonize(ink))
    assert np.array_equal(redraw(ink, pen), apart <= pen / 2)


def test_what_the_pen_would_draw_beyond_a_border_is_cut_off() -> None:
    ink = np.zeros((20, 30), bool)
    ink[0, 2:28] = True
    found = redraw(ink, 6.0)
    assert found[:4, 10].all()
    assert not found[4:].any()


@pytest.mark.parametrize("size", [(40, 20), (300, 90), (31, 400)])
def test_a_path_is_fitted_so_that_the_pen_fills_the_room(size: tuple[int, int]) -> None:
    path = np.array([[5, 7], [5 + size[0] // 2, 9], [5 + size[0], 7 + size[1]]])
    fitted, scale = fit_path(path, 8.0, shape=(128, 208), margin=4, most=1000.0)
    room = np.array([128, 208]) - 2 * 4 - 8.0
    reach = np.ptp(fitted, axis=0)
    assert np.allclose(reach, np.array(size) * scale, atol=1.0)
    assert (reach <= room + 1).all()
    assert (room - reach <= 1).any()
    assert np.allclose((fitted.min(axis=0) + fitted.max(axis=0)) / 2, [63.5, 103.5], atol=1.0)


def test_a_path_is_enlarged_no_further_than_said_and_a_dot_stays_a_dot() -> None:
    fitted, scale = fit_path(np.array([[0, 0], [10, 10]]), 2.0, shape=(64, 64), margin=2, most=1.5)
    assert scale == 1.5
    assert np.ptp(fitted, axis=0).tolist() == [15, 15]
    dot, _ = fit_path(np.array([[3, 4]]), 2.0, shape=(65, 65), margin=2, most=2.0)
    assert dot.tolist() == [[32, 32]]


def test_thick_and_thin_pens_look_alike() -> None:
    one_pen = preprocessing_by_name("onepen-2")
    kept, redrawn = (
        [recipe.prepare(drawn(width)).ink.ink for width in (4, 12)]
        for recipe in (DEFAULT_PREPROCESSING, one_pen)
    )
    assert stroke_width(kept[1]) > 1.6 * stroke_width(kept[0])
    assert stroke_width(redrawn[1]) == pytest.approx(stroke_width(redrawn[0]), rel=0.05)
    assert apart(*redrawn) < 0.75


def test_what_is_noticed_does_not_depend_on_the_pen() -> None:
    one_pen = preprocessing_by_name("onepen-2")
    image = drawn(7)
    assert one_pen.prepare(image).findings == DEFAULT_PREPROCESSING.prepare(image).findings
    assert one_pen.prepare(image).box == DEFAULT_PREPROCESSING.prepare(image).box


def test_the_path_is_traced_on_a_finer_canvas_whose_squares_are_averaged() -> None:
    one_pen = preprocessing_by_name("onepen-2")
    fine = finer_canvas(one_pen, one_pen.fineness)
    shown = fine.prepare(drawn(7)).ink.ink
    assert set(np.unique(shown)) == {0.0, 1.0}
    squares = shown.reshape(one_pen.height, 4, one_pen.width, 4).mean(axis=(1, 3))
    assert np.array_equal(one_pen.prepare(drawn(7)).ink.ink, squares)


@pytest.mark.parametrize(
    ("height", "width", "fineness"), [(64, 104, 8), (128, 208, 4), (192, 312, 4), (600, 960, 4)]
)
def test_paths_are_traced_on_512_rows_and_four_times_as_fine_at_least(
    height: int, width: int, fineness: int
) -> None:
    one_pen = preprocessing_by_name("onepen-2", height, width)
    assert isinstance(one_pen, Preprocessing)
    assert one_pen.fineness == fineness
    assert one_pen.pen == PEN
    assert one_pen.prepare(drawn(7)).ink.ink.shape == (height, width)


def test_a_blank_page_stays_blank() -> None:
    page = SignatureImage(np.full((200, 300), 250, np.uint8), "0" * 64, 300, 200)
    prepared = preprocessing_by_name("onepen-2").prepare(page)
    assert not prepared.ink.ink.any()
    assert prepared.findings[0].name == "blank"
    assert not redraw(np.zeros((5, 6), bool), 2.0).any()


def test_cards_name_the_recipe_and_old_ones_are_read_as_before() -> None:
    one_pen = preprocessing_by_name("onepen-2", 64, 104)
    card = one_pen.to_dict()
    assert card["name"] == "onepen-2"
    assert card["pen"] == PEN == pen_of(one_pen)
    assert pen_of(DEFAULT_PREPROCESSING) == pen_of(preprocessing_by_name("raw-1")) == 0.0
    assert read_preprocessing(card) == one_pen
    plain = DEFAULT_PREPROCESSING.to_dict()
    assert not {"pen", "fineness"} & plain.keys()
    assert read_preprocessing(plain) == Preprocessing()
    with pytest.raises(CheckpointMismatch, match="pen"):
        read_preprocessing(plain | {"pen": 2.0})
    with pytest.raises(CheckpointMismatch, match="onepen-2"):
        read_preprocessing(plain | {"name": "onepen-1"})
