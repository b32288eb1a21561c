"""Rows of print: found beside and across signatures, and never in what a hand wrote."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from sigvault.domain.errors import CheckpointMismatch
from sigvault.domain.population import Population
from sigvault.imaging.disturbances import Disturbance, disturb
from sigvault.imaging.ink import find_ink
from sigvault.imaging.preprocessing import preprocessing_by_name, read_preprocessing
from sigvault.imaging.printed_text import clear_print
from sigvault.synthesis import generate_signer, render_genuine

SETTINGS = {"smoothing": 3, "window": 51, "k": 0.15, "low_contrast": 0.4, "max_gain": 3.0}
CAPTION = "Signature of the account holder"
Pixels = npt.NDArray[np.uint8]
Ink = npt.NDArray[np.bool_]


def signature(number: int) -> Pixels:
    """With paper left above and below."""
    pixels = render_genuine(generate_signer(3, number), 1)
    return np.pad(pixels, ((80, 80), (40, 40)), mode="edge")


def found(pixels: Pixels) -> Ink:
    return find_ink(pixels, **SETTINGS).ink


def printed(pixels: Pixels, row: int, *, text: str = CAPTION, size: int = 24, askew: float = 0.0):
    """A row of print from the left, its letters' tops at a row of the picture."""
    height, width = pixels.shape
    page = Image.new("L", (4 * width, 4 * height), 255)
    at = (4 * 30, 4 * row)
    ImageDraw.Draw(page).text(at, text, fill=20, font=ImageFont.load_default(4 * size))
    page = page.rotate(askew, Image.Resampling.BICUBIC, center=at, fillcolor=255)
    return np.minimum(np.asarray(page.reduce(4)), pixels)


def amiss(ink: Ink, wanted: Ink) -> float:
    return float(np.count_nonzero(ink ^ wanted) / np.count_nonzero(wanted))


def letters(heights: npt.NDArray[np.float64], feet: npt.NDArray[np.float64]) -> Ink:
    """Rings and bars, as letters are, beside a tall stroke."""
    page = Image.new("L", (700, 300), 0)
    pen = ImageDraw.Draw(page)
    pen.line([(640, 20), (660, 280)], fill=255, width=4)
    for place, (height, foot) in enumerate(zip(heights, feet, strict=True)):
        left = 30 + 32 * place
        pen.ellipse([left, foot - height, left + 22, foot], outline=255, width=4)
    return np.asarray(page) > 0


@pytest.mark.parametrize("number", range(1, 9))
def test_a_caption_beside_the_signature_goes_whole(number: int) -> None:
    plain = signature(number)
    page = printed(printed(plain, 20), plain.shape[0] - 45, text="Name in capitals, place and date")
    wanted = found(plain)
    assert amiss(found(page), wanted) > 0.3
    cleared = clear_print(found(page))
    assert cleared.rows == 2
    assert amiss(cleared.ink, wanted) < 0.03


@pytest.mark.parametrize("number", range(1, 9))
def test_print_across_the_signature_leaves_the_letters_that_touch_it(number: int) -> None:
    plain = signature(number)
    page = found(disturb(plain, Disturbance.PRINTED, seed=number))
    wanted = found(plain)
    assert amiss(clear_print(page).ink, wanted) < 0.5 * amiss(page, wanted)
    lost = wanted & page & ~clear_print(page).ink
    assert np.count_nonzero(lost) < 0.03 * np.count_nonzero(wanted)


@pytest.mark.parametrize(("askew", "rows"), [(-2.5, 1), (2.0, 1), (8.0, 0)])
def test_a_row_may_be_a_little_askew(askew: float, rows: int) -> None:
    plain = signature(2)
    page = printed(np.pad(plain, ((120, 0), (0, 0)), mode="edge"), 60, askew=askew)
    assert clear_print(found(page)).rows == rows


@pytest.mark.parametrize("population", Population)
@pytest.mark.parametrize("number", range(1, 25))
def test_what_a_hand_wrote_is_no_print(population: Population, number: int) -> None:
    ink = found(render_genuine(generate_signer(5, number, population=population), 1))
    cleared = clear_print(ink)
    assert cleared.rows == 0
    assert np.array_equal(cleared.ink, ink)


def test_letters_of_even_height_on_one_line_are_print_and_uneven_ones_are_not() -> None:
    rng = np.random.default_rng(4)
    even = letters(np.full(14, 26.0), np.full(14, 150.0))
    assert clear_print(even).rows == 1
    assert ndimage.label(clear_print(even).ink)[1] == 1  # the tall stroke
    for _ in range(20):
        hand = letters(26 + rng.normal(0, 4, 14), 150 + rng.normal(0, 4, 14))
        assert clear_print(hand).rows == 0


def test_a_signature_in_print_is_left_alone() -> None:
    page = printed(np.full((200, 600), 245, np.uint8), 80, text="R. Walker and daughters", size=40)
    assert clear_print(found(page)).rows == 0


def test_a_page_of_text_is_left_alone() -> None:
    page = np.full((1200, 1200), 245, np.uint8)
    for row in range(40, 1150, 40):
        page = printed(page, row, text=CAPTION + " " + CAPTION + " " + CAPTION)
    ink = found(page)
    ink[100:1100, 1190] = True  # something tall
    assert clear_print(ink).rows == 0


@given(arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 60))))
def test_nothing_is_added(ink: Ink) -> None:
    cleared = clear_print(ink)
    assert cleared.ink.shape == ink.shape
    assert not (cleared.ink & ~ink).any()
    assert (cleared.rows > 0) == bool((ink & ~cleared.ink).any())


def test_the_recipe_that_looks_for_print_is_one_of_its_own(as_image) -> None:
    before, after = (preprocessing_by_name(name, 192, 312) for name in ("onepen-4", "onepen-5"))
    assert [read_preprocessing(each.to_dict()) for each in (before, after)] == [before, after]
    assert after.to_dict()["printed"] is True
    with pytest.raises(CheckpointMismatch, match="printed"):
        read_preprocessing(before.to_dict() | {"printed": True})
    plain, page = signature(1), printed(signature(1), 20)
    wanted = before.prepare(as_image(plain)).ink.ink
    assert np.array_equal(after.prepare(as_image(plain)).ink.ink, wanted)
    apart = [
        np.abs(each.prepare(as_image(page)).ink.ink - wanted).mean() for each in (before, after)
    ]
    assert apart[1] < 0.1 * apart[0]


def test_that_print_was_taken_off_is_said(as_image) -> None:
    recipe = preprocessing_by_name("onepen-5", 192, 312)
    plain = recipe.prepare(as_image(signature(1))).findings
    page = printed(signature(1), 20)
    (finding,) = set(recipe.prepare(as_image(page)).findings) - set(plain)
    assert (finding.name, finding.value, finding.severe) == ("printed", 1.0, False)
    assert "1 row of print was taken off" in finding.message
