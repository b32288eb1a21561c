"""Lines, stamps and print about a signature."""

from __future__ import annotations

import numpy as np
import pytest

from sigvault.synthesis import generate_signer, render_forged, render_genuine
from sigvault.synthesis.clutter import Clutter, ClutterKind, draw_clutter, print_on

WRITING = np.array([60.0, 40.0, 240.0, 110.0])


def _piece(kind: ClutterKind, **changes) -> Clutter:
    size = {"ruled_line": 0.3, "form_line": 0.3, "small_print": 2.0}.get(kind, 12.0)
    values = {"tone": 50.0, "cover": 1.0, "place": (0.5, 0.8), "size": size, "turn": 0.0}
    return Clutter(kind=kind, words=("Bato", "Mela"), **(values | changes))


def _printed(piece: Clutter) -> np.ndarray:
    return print_on(np.full((150, 300), 240.0, np.float32), piece, WRITING, 100 / 25.4)


@pytest.mark.parametrize("kind", ClutterKind)
def test_each_kind_darkens_the_paper_where_it_lies(kind):
    printed = _printed(_piece(kind))
    dark = np.argwhere(printed < 200)
    assert len(dark) > 20
    assert printed.shape == (150, 300)
    middle = WRITING[1] + 0.8 * (WRITING[3] - WRITING[1])
    assert abs(dark[:, 0].mean() - middle) < 15
    assert printed.min() >= 50


def test_a_line_reaches_both_edges_even_when_turned():
    dark = _printed(_piece(ClutterKind.RULED_LINE, turn=3.0)).min(axis=0)
    assert dark.max() < 220


def test_a_faint_stamp_lets_the_paper_shine_through():
    assert _printed(_piece(ClutterKind.BOXED_STAMP, cover=0.3)).min() > 170


def test_all_kinds_are_drawn_in_the_end():
    drawn = [draw_clutter(np.random.default_rng(seed)) for seed in range(80)]
    assert {piece.kind for pieces in drawn for piece in pieces} == set(ClutterKind)
    assert {len(pieces) for pieces in drawn} == {1, 2}


@pytest.mark.parametrize("render", [render_genuine, render_forged])
def test_clutter_comes_when_asked_for_and_leaves_other_pictures_as_they_are(render):
    signer = generate_signer(3, 1)
    for number in range(1, 5):
        plain = render(signer, number, dpi=100)
        assert np.array_equal(render(signer, number, dpi=100, clutter=0.0), plain)
        cluttered = render(signer, number, dpi=100, clutter=1.0)
        assert cluttered.size > plain.size
        assert np.array_equal(render(signer, number, dpi=100, clutter=1.0), cluttered)
    sizes = {render(signer, number, dpi=100).shape for number in range(1, 13)}
    half = {render(signer, number, dpi=100, clutter=0.5).shape for number in range(1, 13)}
    assert sizes & half
    assert half - sizes
