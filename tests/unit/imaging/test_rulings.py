"""Ruled lines: found where paper is ruled, left alone where a hand drew, taken off cleanly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from sigvault.domain.errors import CheckpointMismatch
from sigvault.imaging.disturbances import Disturbance, disturb
from sigvault.imaging.ink import find_ink
from sigvault.imaging.preprocessing import preprocessing_by_name, read_preprocessing
from sigvault.imaging.rulings import clear_rulings, find_rulings
from sigvault.synthesis import generate_signer, render_genuine

SETTINGS = {"smoothing": 3, "window": 51, "k": 0.15, "low_contrast": 0.4, "max_gain": 3.0}
Pixels = npt.NDArray[np.uint8]
Ink = npt.NDArray[np.bool_]


def signature(number: int) -> Pixels:
    return render_genuine(generate_signer(3, number), 1)


def found(pixels: Pixels, *, ruled: bool = True) -> Ink:
    return find_ink(pixels, ruled=ruled, **SETTINGS).ink


def lines(
    pixels: Pixels, *, tone: int = 0, apart: int = 60, thick: int = 2, rise: float = 0.0
) -> Pixels:
    """Lines from border to border that rise by a share of the width; printed, so without stairs."""
    height, width = pixels.shape
    page = Image.new("L", (4 * width, 4 * height), 255)
    drawing = ImageDraw.Draw(page)
    for row in range(apart // 2, height, apart):
        ends = [(0, 4 * row + rise * 2 * width), (4 * width, 4 * row - rise * 2 * width)]
        drawing.line(ends, fill=tone, width=4 * thick)
    return np.minimum(np.asarray(page.reduce(4)), pixels)


def shares_amiss(ink: Ink, wanted: Ink) -> tuple[float, float]:
    """(ink too much, ink missing), as shares of what is wanted."""
    return (
        np.count_nonzero(ink & ~wanted) / np.count_nonzero(wanted),
        np.count_nonzero(wanted & ~ink) / np.count_nonzero(wanted),
    )


@pytest.mark.parametrize("number", range(1, 9))
def test_ruled_paper_gives_the_ink_of_plain_paper(number: int) -> None:
    plain = signature(number)
    ruled = disturb(plain, Disturbance.RULED, seed=number)
    wanted = found(plain)
    assert shares_amiss(found(ruled, ruled=False), wanted)[0] > 0.3
    assert max(shares_amiss(found(ruled), wanted)) < 0.08


@pytest.mark.parametrize("rise", [-0.05, 0.03])
@pytest.mark.parametrize("tone", [0, 120])
def test_lines_may_be_askew_and_as_dark_as_the_pen(rise: float, tone: int) -> None:
    plain = signature(2)
    ruled = lines(plain, tone=tone, rise=rise)
    assert len(find_rulings(found(ruled, ruled=False))) >= len(range(30, plain.shape[0], 60)) - 1
    assert max(shares_amiss(found(ruled), found(plain))) < 0.12


def test_one_line_is_enough() -> None:
    plain = signature(4)
    ruled = lines(plain, tone=90, apart=plain.shape[0], thick=3)
    (line,) = find_rulings(found(ruled, ruled=False))
    middle = line.rows(np.array([0, plain.shape[1] // 2]), plain.shape[1])
    assert middle == pytest.approx(plain.shape[0] // 2, abs=1.5)
    assert max(shares_amiss(found(ruled), found(plain))) < 0.08


def test_light_lines_on_dark_paper_go_too() -> None:
    plain = signature(5)
    assert np.array_equal(found(255 - lines(plain, tone=120)), found(lines(plain, tone=120)))


@pytest.mark.parametrize("number", range(1, 13))
def test_what_has_no_lines_is_left_as_it_is(number: int) -> None:
    plain = signature(number)
    assert np.array_equal(found(plain), found(plain, ruled=False))


def test_a_line_that_ends_inside_the_picture_may_be_the_signers_own() -> None:
    page = Image.fromarray(signature(6))
    width, height = page.size
    row = round(0.7 * height)
    ImageDraw.Draw(page).line([(0.1 * width, row), (width, row)], fill=40, width=3)
    assert np.array_equal(found(np.asarray(page)), found(np.asarray(page), ruled=False))


@pytest.mark.parametrize("sway", [5.0, 12.0])
def test_a_stroke_from_side_to_side_is_no_ruled_line(sway: float) -> None:
    page = Image.new("L", (800, 300), 245)
    across = np.arange(800)
    down = 150 + sway * np.sin(across / 70)
    ImageDraw.Draw(page).line(list(zip(across, down, strict=True)), fill=30, width=4)
    assert find_rulings(found(np.asarray(page), ruled=False)) == ()


@pytest.mark.parametrize("apart", [3, 7])
def test_hatching_is_no_ruled_paper(apart: int) -> None:
    ink = np.zeros((1280, 1280), np.bool_)
    ink[::apart] = True
    assert find_rulings(ink) == ()
    ink[:] = False
    ink[20::40] = True
    assert len(find_rulings(ink)) == 32


@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(90, 130))), st.booleans())
def test_nothing_is_added(ink: Ink, full: bool) -> None:
    ink = ink | full
    grey = np.where(ink, 0, 255).astype(np.float32)
    cleared = clear_rulings(ink, grey, find_rulings(ink))
    assert cleared.shape == ink.shape
    assert not (cleared & ~ink).any()


def test_the_recipe_that_looks_for_lines_is_one_of_its_own(as_image) -> None:
    recipes = [preprocessing_by_name(name) for name in ("onepen-2", "onepen-3")]
    assert [read_preprocessing(each.to_dict()) for each in recipes] == recipes
    assert recipes[1].to_dict()["ruled"] is True
    with pytest.raises(CheckpointMismatch, match="ruled"):
        read_preprocessing(recipes[0].to_dict() | {"ruled": True})
    plain, ruled = signature(1), lines(signature(1), tone=100)
    alike = [each.prepare(as_image(plain)).ink.ink for each in recipes]
    assert np.array_equal(*alike)
    apart = [np.abs(each.prepare(as_image(ruled)).ink.ink - alike[0]).mean() for each in recipes]
    assert apart[1] < 0.2 * apart[0]


def test_that_lines_were_taken_off_is_said(as_image) -> None:
    recipe = preprocessing_by_name("onepen-3")
    plain = recipe.prepare(as_image(signature(1))).findings
    ruled = recipe.prepare(as_image(lines(signature(1), tone=100, apart=100))).findings
    (finding,) = set(ruled) - set(plain)
    assert (finding.name, finding.value, finding.severe) == ("ruled", 3.0, False)
    assert "3 ruled lines were taken off" in finding.message
