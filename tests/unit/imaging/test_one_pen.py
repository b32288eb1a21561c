"""A path redrawn by one pen: what stays, and what is gone."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sigvault.domain.errors import CheckpointMismatch
from sigvault.domain.image import SignatureImage
from sigvault.imaging.one_pen import redraw
from sigvault.imaging.preprocessing import (
    DEFAULT_PREPROCESSING,
    PEN,
    pen_of,
    preprocessing_by_name,
    read_preprocessing,
)
from sigvault.imaging.sauvola import Preprocessing


def drawn(width: int, *, tone: int = 20) -> SignatureImage:
    """The same path by a pen of some width."""
    page = Image.new("L", (600, 300), 245)
    points = [(60, 220), (120, 80), (200, 230), (300, 90), (380, 200), (540, 120)]
    ImageDraw.Draw(page).line(points, fill=tone, width=width, joint="curve")
    return SignatureImage(np.asarray(page), "0" * 64, 600, 300)


def stroke_width(ink: np.ndarray) -> float:
    outline = np.abs(np.diff(ink, axis=0)).sum() + np.abs(np.diff(ink, axis=1)).sum()
    return float(2 * ink.sum() / outline)


@pytest.mark.parametrize("pen", [3.0, 6.0, 9.0])
def test_a_line_is_drawn_as_wide_as_the_pen(pen: float) -> None:
    ink = np.zeros((40, 100), bool)
    ink[15:26, 10:90] = True
    found = redraw(ink, pen)
    assert found.shape == (40 + 2 * int(np.ceil(pen / 2)), 100 + 2 * int(np.ceil(pen / 2)))
    assert abs(found[:, found.shape[1] // 2].sum() - pen) <= 1.0


def test_thick_and_thin_pens_look_alike() -> None:
    one_pen = preprocessing_by_name("onepen-1")
    kept, redrawn = (
        [recipe.prepare(drawn(width)).ink.ink for width in (4, 12)]
        for recipe in (DEFAULT_PREPROCESSING, one_pen)
    )
    assert stroke_width(kept[1]) > 1.6 * stroke_width(kept[0])
    assert stroke_width(redrawn[1]) == pytest.approx(stroke_width(redrawn[0]), rel=0.05)
    apart = [np.corrcoef(pair[0].ravel(), pair[1].ravel())[0, 1] for pair in (kept, redrawn)]
    assert apart[1] > apart[0]


def test_what_is_noticed_does_not_depend_on_the_pen() -> None:
    one_pen = preprocessing_by_name("onepen-1")
    image = drawn(7)
    assert one_pen.prepare(image).findings == DEFAULT_PREPROCESSING.prepare(image).findings
    assert one_pen.prepare(image).box == DEFAULT_PREPROCESSING.prepare(image).box


def test_a_blank_page_stays_blank() -> None:
    page = SignatureImage(np.full((200, 300), 250, np.uint8), "0" * 64, 300, 200)
    prepared = preprocessing_by_name("onepen-1").prepare(page)
    assert not prepared.ink.ink.any()
    assert prepared.findings[0].name == "blank"
    nothing = redraw(np.zeros((5, 6), bool), 2.0)
    assert nothing.shape == (7, 8)
    assert not nothing.any()


def test_cards_name_the_recipe_and_old_ones_are_read_as_before() -> None:
    one_pen = preprocessing_by_name("onepen-1", 64, 104)
    card = one_pen.to_dict()
    assert card["name"] == "onepen-1"
    assert card["pen"] == PEN == pen_of(one_pen)
    assert pen_of(DEFAULT_PREPROCESSING) == pen_of(preprocessing_by_name("raw-1")) == 0.0
    assert read_preprocessing(card) == one_pen
    plain = DEFAULT_PREPROCESSING.to_dict()
    assert "pen" not in plain
    assert read_preprocessing(plain) == Preprocessing()
    with pytest.raises(CheckpointMismatch, match="pen"):
        read_preprocessing(plain | {"pen": 2.0})
    with pytest.raises(CheckpointMismatch, match="onepen-1"):
        read_preprocessing(plain | {"name": "onepen-2"})
