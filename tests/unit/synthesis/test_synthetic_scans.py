"""Scans of synthetic signatures: nothing but the writing tells a forgery."""

from __future__ import annotations

import numpy as np
import pytest

from sigvault.synthesis import draw_scan, generate_signer, render_forged, render_genuine

SIGNERS = 40


def _statistics(pixels: np.ndarray) -> dict[str, float]:
    paper = float(np.median(pixels))
    ink = pixels[pixels < paper - 40]
    return {
        "paper": paper,
        "paper_spread": float(np.std(pixels[pixels > paper - 12])),
        "darkest": float(np.percentile(pixels, 0.5)),
        "ink": float(np.median(ink)),
        "share_of_ink": ink.size / pixels.size,
        "mean": float(pixels.mean()),
        "width": float(pixels.shape[1]),
    }


@pytest.fixture(scope="module")
def statistics():
    signers = [generate_signer(5, number) for number in range(1, SIGNERS + 1)]
    draw = {"genuine": render_genuine, "forged": render_forged}
    return {
        kind: [_statistics(render(s, n, dpi=100)) for s in signers for n in (1, 5)]
        for kind, render in draw.items()
    }


@pytest.mark.parametrize(
    "name", ["paper", "paper_spread", "darkest", "ink", "share_of_ink", "mean", "width"]
)
def test_no_single_statistic_tells_genuine_from_forged(statistics, name):
    """The area under the curve lies within three standard errors of a coin's 0.5."""
    genuine = np.array([one[name] for one in statistics["genuine"]])
    forged = np.array([one[name] for one in statistics["forged"]])
    above = (genuine[:, None] > forged).mean() + 0.5 * (genuine[:, None] == forged).mean()
    error = np.sqrt((genuine.size + forged.size + 1) / (12 * genuine.size * forged.size))
    assert abs(above - 0.5) < 3 * error


def test_an_image_is_dark_ink_on_bright_paper_with_a_margin():
    for number in range(1, 6):
        pixels = render_genuine(generate_signer(2, number), 1)
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 2
        paper = np.median(pixels)
        assert paper > 215
        assert 0.005 < (pixels < paper - 40).mean() < 0.3
        border = np.concatenate([pixels[:8].ravel(), pixels[:, :8].ravel(), pixels[-8:].ravel()])
        assert border.min() > paper - 40


def test_the_same_arguments_make_the_same_image():
    signer = generate_signer(2, 1)
    for render in (render_genuine, render_forged):
        assert np.array_equal(render(signer, 3, dpi=100), render(signer, 3, dpi=100))
    assert not np.array_equal(
        render_genuine(signer, 1, dpi=100)[:50, :50], render_genuine(signer, 2, dpi=100)[:50, :50]
    )


def test_resolution_scales_the_image():
    signer = generate_signer(2, 1)
    low, high = render_genuine(signer, 1, dpi=100), render_genuine(signer, 1, dpi=300)
    assert np.allclose(np.array(high.shape) / np.array(low.shape), 3, rtol=0.02)


def test_a_scan_knows_nothing_about_the_writer():
    first = draw_scan(np.random.default_rng(4), 300)
    assert first == draw_scan(np.random.default_rng(4), 300)
    assert first != draw_scan(np.random.default_rng(5), 300)
