from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fakes import draw_blank, draw_signature
from sigvault.domain.local_matching import LocalMatch
from sigvault.reporting.pictures import agreement_tints, crop_to_ink, ink_view


def _match(agreement: list[list[float]]) -> LocalMatch:
    array = np.array(agreement, np.float32)
    return LocalMatch(0.5, array, array)


def test_crop_holds_the_ink_with_a_margin(make_picture):
    picture = make_picture(draw_signature(1))
    box = picture.prepared.box
    assert box is not None

    crop = crop_to_ink(picture)

    assert box.width < crop.width <= picture.image.source_width
    assert box.height < crop.height <= picture.image.source_height


def test_crop_of_a_blank_page_is_the_page(make_picture):
    picture = make_picture(draw_blank())

    crop = crop_to_ink(picture)

    assert (crop.width, crop.height) == (400, 200)


def test_a_large_scan_is_shown_small_but_measured_in_its_own_pixels(make_picture):
    small = Image.open(io.BytesIO(draw_signature(1)))
    file = io.BytesIO()
    small.resize((4000, 2000)).save(file, "PNG")

    crop = crop_to_ink(make_picture(file.getvalue()))

    assert crop.width > 2000
    assert len(crop.uri) < 200_000


def test_ink_view_is_the_canvas(make_picture):
    picture = make_picture(draw_signature(1))

    view = ink_view(picture)

    assert (view.height, view.width) == picture.prepared.ink.ink.shape


def test_tints_cover_the_inked_cells_by_their_mean():
    nan = np.nan
    matches = [_match([[nan, 0.1], [0.9, 0.5]]), _match([[nan, 0.3], [1.0, 0.7]])]

    tints = agreement_tints(matches, (100, 200))

    assert [(tint.x, tint.y, tint.width, tint.height) for tint in tints] == [
        (100.0, 0.0, 100.0, 50.0),
        (0.0, 50.0, 100.0, 50.0),
        (100.0, 50.0, 100.0, 50.0),
    ]
    assert [tint.value for tint in tints] == pytest.approx([0.2, 0.95, 0.6])
    assert tints[1].step == 4


def test_without_matches_nothing_is_tinted():
    assert agreement_tints([], (100, 200)) == ()
