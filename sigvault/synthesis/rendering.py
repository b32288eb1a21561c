"""Ink on paper under a scanner.

Pen, paper and scanner are drawn from one distribution whoever writes, so that nothing but the
writing tells a genuine signature from a forgery. Ink is laid down as in the ink deposition models
of Ferrer, Diaz-Cabrera and Morales (2015): a round point whose width and flow follow the pressure.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sigvault.domain.population import Population
from sigvault.synthesis.clutter import Clutter, draw_clutter, print_on
from sigvault.synthesis.forger import write_forged
from sigvault.synthesis.lognormal import Floats
from sigvault.synthesis.scans import Scan, draw_scan, draw_varied_scan
from sigvault.synthesis.seeding import Purpose, stream
from sigvault.synthesis.signer import SyntheticSigner
from sigvault.synthesis.specimen import Writing, write_genuine

Pixels = npt.NDArray[np.uint8]
Grey = npt.NDArray[np.float32]


def render_genuine(
    signer: SyntheticSigner, number: int, *, dpi: float = 300.0, clutter: float = 0.0
) -> Pixels:
    """Scan genuine signature ``number`` (from 1) of a signer.

    Args:
        signer: who writes.
        number: of the signature, from 1.
        dpi: resolution, in pixels per inch.
        clutter: chance of lines, stamps or print about the signature, in [0, 1].

    Returns:
        uint8 (H, W), 0 = black, 255 = white; the same for the same arguments.
    """
    rng = stream(signer.seed, signer.number, Purpose.GENUINE_SCAN, number)
    around = stream(signer.seed, signer.number, Purpose.GENUINE_CLUTTER, number)
    scan = _draw_scan(signer, rng, dpi)
    return _scan(write_genuine(signer, number), scan, clutter, rng, around)


def render_forged(
    signer: SyntheticSigner, number: int, *, dpi: float = 300.0, clutter: float = 0.0
) -> Pixels:
    """Scan skilled forgery ``number`` (from 1) of a signer's signature.

    Args:
        signer: whose signature is imitated.
        number: of the forgery, from 1.
        dpi: resolution, in pixels per inch.
        clutter: chance of lines, stamps or print about the signature, in [0, 1].

    Returns:
        uint8 (H, W), 0 = black, 255 = white; the same for the same arguments.
    """
    rng = stream(signer.seed, signer.number, Purpose.FORGED_SCAN, number)
    around = stream(signer.seed, signer.number, Purpose.FORGED_CLUTTER, number)
    scan = _draw_scan(signer, rng, dpi)
    return _scan(write_forged(signer, number), scan, clutter, rng, around)


def _draw_scan(signer: SyntheticSigner, rng: np.random.Generator, dpi: float) -> Scan:
    """Pen, paper and scanner, for genuine signatures as for forgeries of this population."""
    varied = signer.population is Population.VARIED
    return (draw_varied_scan if varied else draw_scan)(rng, dpi)


def _scan(
    writing: Writing,
    scan: Scan,
    clutter: float,
    rng: np.random.Generator,
    around: np.random.Generator,
) -> Pixels:
    """Draw the scan, now and then with something else on the paper."""
    if around.random() >= clutter:
        return render(writing, scan, rng)
    left, top, right, bottom = np.array(scan.margins) + around.uniform(1.0, 8.0, 4)
    scan = replace(scan, margins=(float(left), float(top), float(right), float(bottom)))
    return render(writing, scan, rng, draw_clutter(around))


def render(
    writing: Writing,
    scan: Scan,
    rng: np.random.Generator,
    clutter: tuple[Clutter, ...] = (),
) -> Pixels:
    """Draw a movement as a grey scan.

    Args:
        writing: the movement; only what lies on the paper is drawn.
        scan: pen, paper and scanner.
        rng: where texture and noise come from.
        clutter: what else is on the paper.

    Returns:
        uint8 (H, W), 0 = black, 255 = white; row 0 is the top.
    """
    per_mm = scan.dpi / 25.4
    inked = writing.points[writing.down]
    low, high = inked.min(axis=0), inked.max(axis=0)
    left, top, right, bottom = scan.margins
    width = int(np.ceil((high[0] - low[0] + left + right) * per_mm))
    height = int(np.ceil((high[1] - low[1] + top + bottom) * per_mm))
    x = (writing.points[:, 0] - low[0] + left) * per_mm
    y = (high[1] + top - writing.points[:, 1]) * per_mm
    ink = _take(_deposit(x, y, writing, scan, (height, width), rng), scan.grain, rng)
    grey = _paper(rng, (height, width), scan)
    for piece in clutter:
        grey = print_on(grey, piece, np.array([x.min(), y.min(), x.max(), y.max()]), per_mm)
    grey = grey * (1 - ink) + np.float32(scan.ink_tone) * ink
    grey = ndimage.gaussian_filter(grey, scan.blur, truncate=3.0)
    grey += np.float32(scan.noise) * rng.standard_normal(grey.shape, dtype=np.float32)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def _deposit(
    x: Floats,
    y: Floats,
    writing: Writing,
    scan: Scan,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> Grey:
    """Cover the paper with soft discs along the movement, half a pixel apart."""
    xs, ys, pressure = _along(x, y, writing)
    swing = scan.flow * (pressure - 0.5) + scan.grain * _ink_flow(rng, len(xs))
    radius = 0.5 * scan.pen_width * scan.dpi / 25.4 * np.clip(1 + 1.1 * swing, 0.3, 2.0)
    dark = np.clip(0.9 + 0.6 * swing, 0.35, 1.0).astype(np.float32)
    reach = int(np.ceil(radius.max() + 0.5))
    columns, rows = np.rint(xs).astype(np.intp), np.rint(ys).astype(np.intp)
    offsets = np.arange(-reach, reach + 1)
    across = (offsets[None, :] + (columns - xs)[:, None]).astype(np.float32)
    along = (offsets[None, :] + (rows - ys)[:, None]).astype(np.float32)
    distance = np.sqrt(across[:, None, :] ** 2 + along[:, :, None] ** 2)
    edge = (radius + 0.5).astype(np.float32)
    cover = np.clip(edge[:, None, None] - distance, 0, 1) * dark[:, None, None]
    disc = (offsets[:, None] * shape[1] + offsets[None, :]).ravel()
    flat = (rows * shape[1] + columns)[:, None] + disc[None, :]
    coverage = np.zeros(shape[0] * shape[1], dtype=np.float32)
    np.maximum.at(coverage, flat.ravel(), cover.ravel())
    return coverage.reshape(shape)


def _along(x: Floats, y: Floats, writing: Writing) -> tuple[Floats, Floats, Floats]:
    """Points half a pixel apart along what lies on the paper, and the pressure at each."""
    step = np.hypot(np.diff(x), np.diff(y))
    drawn = writing.down[1:] & writing.down[:-1]
    spot = np.concatenate([[0.0], np.cumsum(np.where(drawn, step, 0.0))])
    place = np.arange(0.25, spot[-1], 0.5)
    # The interval that holds each place has a length above 0, so it is drawn.
    after = np.searchsorted(spot, place, side="right")
    share = (place - spot[after - 1]) / (spot[after] - spot[after - 1])

    def at(values: Floats) -> Floats:
        between: Floats = values[after - 1] + share * (values[after] - values[after - 1])
        return between

    return at(x), at(y), at(writing.pressure)


def _ink_flow(rng: np.random.Generator, count: int) -> Floats:
    """How much more or less ink flows along the line: a quick and a slow fluctuation."""
    quick = ndimage.uniform_filter1d(rng.standard_normal(count), 5)
    knots = rng.standard_normal(count // 60 + 3)
    slow = np.interp(np.arange(count) / 60, np.arange(len(knots)), knots)
    flow: Floats = 0.7 * quick + 0.3 * slow
    return flow


def _take(coverage: Grey, grain: float, rng: np.random.Generator) -> Grey:
    """Ink that takes: rough paper leaves gaps, most of all where little ink was laid down."""
    rough = np.abs(rng.standard_normal(coverage.shape, dtype=np.float32))
    gaps = np.float32(0.7 * grain) * ndimage.uniform_filter(rough, 2)
    taken: Grey = np.clip(coverage * np.float32(1 + 0.4 * grain) - gaps * np.sqrt(coverage), 0, 1)
    return taken


def _paper(rng: np.random.Generator, shape: tuple[int, int], scan: Scan) -> Grey:
    """Tone, shading and fibres of the sheet."""
    rows = np.linspace(-0.5, 0.5, shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(-0.5, 0.5, shape[1], dtype=np.float32)[None, :]
    turn = rng.uniform(0, 2 * np.pi)
    shade = np.float32(scan.shading * np.cos(turn)) * rows
    shade = shade + np.float32(scan.shading * np.sin(turn)) * columns
    coarse = rng.standard_normal((shape[0] // 3 + 2, shape[1] // 3 + 2), dtype=np.float32)
    fibre = np.repeat(np.repeat(coarse, 3, axis=0), 3, axis=1)[: shape[0], : shape[1]]
    sheet: Grey = np.float32(scan.paper_tone) + shade + np.float32(scan.fibre) * fibre
    return sheet
