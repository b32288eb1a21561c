"""The recipes sauvola-1 and onepen-2 to onepen-5: a decoded picture becomes ink on a canvas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from sigvault.domain.errors import CheckpointMismatch
from sigvault.domain.image import InkImage, SignatureImage
from sigvault.imaging.canvas import Box, fit_scale, ink_box, place_on_canvas
from sigvault.imaging.ink import find_ink
from sigvault.imaging.levels import measure_levels
from sigvault.imaging.one_pen import draw, fit_path, shrink, trace
from sigvault.imaging.prepared import PreparedSignature
from sigvault.imaging.printed_text import Unprinted, clear_print
from sigvault.imaging.quality import inspect_ink
from sigvault.imaging.specks import remove_specks

PLAIN = "sauvola-1"
ONE_PEN = "onepen-2"
RULED = "onepen-3"
FAINT = "onepen-4"
PRINTED = "onepen-5"
_MOST_ENLARGED = 4
_LACKED = {
    PLAIN: frozenset({"pen", "fineness", "ruled", "faint_k", "printed"}),
    ONE_PEN: frozenset({"ruled", "faint_k", "printed"}),
    RULED: frozenset({"faint_k", "printed"}),
    FAINT: frozenset({"printed"}),
    PRINTED: frozenset[str](),
}
"""The recipes, and the parameters that came after each."""


class _FoundInk(NamedTuple):
    """Ink at the working size, and where that lies in the decoded picture.

    Attributes:
        ink: bool (H, W).
        top: row of the decoded picture at which ``ink`` begins.
        left: column of the decoded picture at which ``ink`` begins.
        zoom: pixels of ``ink`` per pixel of the decoded picture.
        rulings: how many ruled lines were taken off.
        printed: how many rows of print were.
    """

    ink: npt.NDArray[np.bool_]
    top: int
    left: int
    zoom: float
    rulings: int
    printed: int


@dataclass(frozen=True)
class Preprocessing:
    """Every parameter of the path; two equal ones give equal ink.

    Attributes:
        height: of the canvas, in pixels.
        width: of the canvas, in pixels.
        margin: paper left free on each side of the canvas, in pixels.
        max_scale: most canvas pixels per source pixel.
        working_side: longest side in pixels at which ink is looked for; larger pictures are
            reduced by a whole factor.
        smallest_side: pictures whose longer side is shorter are enlarged by a whole factor, at
            most 4, before ink is looked for, so that strokes don't become stairs; in pixels.
        smoothing: side of the square over which grey is averaged before ink is looked for, in
            pixels of the working size.
        window: side of Sauvola's window, in pixels of the working size.
        k: Sauvola's weight of the local deviation.
        low_contrast: ink contrast in [0, 1] below which contrast is raised.
        max_gain: most that contrast is multiplied by.
        edge: pieces within this many pixels of a border are the scan's own edge.
        gap: pieces nearer than this many stroke widths belong together.
        speck_area: groups below this many squares of the stroke's width are specks.
        dirt_share: groups below this share of the ink are dirt if they lie far off.
        reach: how far off, as a share of the writing's longer side.
        pen: width of the pen that the path is redrawn with, in pixels of the canvas; 0 leaves
            strokes as thick as they were found.
        fineness: pixels of the canvas that the path is traced on, in both directions, for one of
            the canvas; at 4 its pixels are about those of a scan at 300 dpi.
        ruled: whether ruled lines are looked for and taken off; with a pen alone.
        faint_k: Sauvola's weight that strokes are followed by where contrast is low; 0 follows
            none; with ``pen`` and ``ruled`` alone.
        printed: whether rows of small print are looked for and taken off; with ``faint_k`` alone.
    """

    height: int = 128
    width: int = 208
    margin: int = 4
    max_scale: float = 2.0
    working_side: int = 1280
    smallest_side: int = 400
    smoothing: int = 3
    window: int = 51
    k: float = 0.15
    low_contrast: float = 0.4
    max_gain: float = 3.0
    edge: int = 5
    gap: float = 2.5
    speck_area: float = 0.5
    dirt_share: float = 0.01
    reach: float = 0.15
    pen: float = 0.0
    fineness: int = 4
    ruled: bool = False
    faint_k: float = 0.0
    printed: bool = False

    @property
    def name(self) -> str:
        """The recipe and its version; it changes whenever the same picture gives other ink."""
        if not self.pen:
            return PLAIN
        if self.faint_k:
            return PRINTED if self.printed else FAINT
        return RULED if self.ruled else ONE_PEN

    @property
    def demonstration(self) -> bool:
        """Whether it keeps leaks on purpose, so that no vault may serve with it: it doesn't."""
        return False

    def to_dict(self) -> dict[str, str | int | float]:
        """The name and every parameter, for a model card."""
        lacked = _LACKED[self.name]
        parameters = asdict(self).items()
        return {"name": self.name} | {name: at for name, at in parameters if name not in lacked}

    @classmethod
    def from_dict(cls, card: Mapping[str, object]) -> Preprocessing:
        """The preprocessing that a model card names.

        Raises:
            CheckpointMismatch: if the recipe, its version or a parameter is not known here.
        """
        parameters = dict(card)
        name = parameters.pop("name", None)
        if name not in _LACKED:
            raise CheckpointMismatch(
                f"The model expects preprocessing {name!r}; this version of sigvault has"
                f" {', '.join(map(repr, _LACKED))}. Use the sigvault that the model was made with,"
                " or retrain it."
            )
        known = {field.name for field in fields(cls)} - _LACKED[str(name)]
        if set(parameters) != known:
            odd = ", ".join(sorted(set(parameters) ^ known))
            raise CheckpointMismatch(
                f"The model's preprocessing differs from '{name}' in its parameters: {odd}."
            )
        return cls(**parameters)  # type: ignore[arg-type]

    def prepare(self, image: SignatureImage) -> PreparedSignature:
        """Harmonise a picture. Deterministic; safe to call from several threads.

        Args:
            image: the decoded picture.

        Returns:
            Ink float32 (height, width) in [0, 1], all zero if there is none, with the findings.
        """
        found = self._find(image.pixels)
        contrast = measure_levels(image.pixels).contrast
        shrink = image.pixels.shape[1] / image.source_width
        findings = inspect_ink(
            found.ink,
            zoom=found.zoom * shrink,
            contrast=contrast,
            rulings=found.rulings,
            printed=found.printed,
        )
        box = ink_box(found.ink)
        if box is None:
            canvas, scale = np.zeros((self.height, self.width), dtype=np.float32), 1.0
        else:
            canvas, scale = self._place(found, box)
        return PreparedSignature(
            ink=InkImage(
                ink=canvas,
                digest=image.digest,
                preprocessing=self.name,
                scale=scale * found.zoom * shrink,
            ),
            findings=findings,
            box=None if box is None else _to_source(box, found, image),
        )

    def _place(self, found: _FoundInk, box: Box) -> tuple[npt.NDArray[np.float32], float]:
        """(the canvas, its pixels for one of the ink's)."""
        most = self.max_scale / found.zoom
        scale = fit_scale(box, self.height, self.width, self.margin, most)
        if self.pen:
            return self._redraw(found.ink, box, scale, most)
        return (
            place_on_canvas(found.ink, box, height=self.height, width=self.width, scale=scale),
            scale,
        )

    def _redraw(
        self, ink: npt.NDArray[np.bool_], box: Box, scale: float, most: float
    ) -> tuple[npt.NDArray[np.float32], float]:
        """The ink's path, traced and drawn on a canvas of smaller pixels, and its scale."""
        finer = self.fineness
        high, wide = (math.ceil(side * scale * finer) for side in (box.height, box.width))
        traced = trace(
            place_on_canvas(ink, box, height=high, width=wide, scale=scale * finer) > 0.5
        )
        if not len(traced):
            return np.zeros((self.height, self.width), dtype=np.float32), scale
        shape = (self.height * finer, self.width * finer)
        pen, margin = self.pen * finer, self.margin * finer
        path, factor = fit_path(traced, pen, shape=shape, margin=margin, most=most / scale)
        return shrink(draw(path, pen, shape=shape), finer), scale * factor

    def _find(self, pixels: npt.NDArray[np.uint8]) -> _FoundInk:
        """Look for ink at the working size.

        On a page too large to be read whole, the writing is located on a reduced copy and its
        neighbourhood is then read at the finest whole reduction that fits.
        """
        longest = max(pixels.shape)
        if longest < self.smallest_side:
            factor = min(_MOST_ENLARGED, math.ceil(self.smallest_side / longest))
            return self._clean_ink(_enlarge(pixels, factor), zoom=float(factor))
        factor = self._reduction(pixels)
        whole = self._clean_ink(_reduce(pixels, factor), zoom=1 / factor)
        box = ink_box(whole.ink)
        if factor == 1 or box is None:
            return whole
        margin = self.window
        top, left = max(0, (box.top - margin) * factor), max(0, (box.left - margin) * factor)
        near = pixels[top : (box.bottom + margin) * factor, left : (box.right + margin) * factor]
        finer = self._reduction(near)
        if finer == factor:
            return whole
        return self._clean_ink(_reduce(near, finer), zoom=1 / finer, top=top, left=left)

    def _reduction(self, pixels: npt.NDArray[np.uint8]) -> int:
        longest: int = max(pixels.shape)
        return max(1, math.ceil(longest / self.working_side))

    def _clean_ink(
        self, pixels: npt.NDArray[np.uint8], *, zoom: float, top: int = 0, left: int = 0
    ) -> _FoundInk:
        found = find_ink(
            pixels,
            smoothing=self.smoothing,
            window=self.window,
            k=self.k,
            low_contrast=self.low_contrast,
            max_gain=self.max_gain,
            ruled=self.ruled,
            faint_k=self.faint_k,
        )
        unprinted = clear_print(found.ink) if self.printed else Unprinted(found.ink, 0)
        cleaned = remove_specks(
            unprinted.ink,
            edge=self.edge,
            gap=self.gap,
            speck_area=self.speck_area,
            dirt_share=self.dirt_share,
            reach=self.reach,
        )
        return _FoundInk(cleaned, top, left, zoom, found.rulings, unprinted.rows)


DEFAULT_PREPROCESSING = Preprocessing()


def _reduce(pixels: npt.NDArray[np.uint8], factor: int) -> npt.NDArray[np.uint8]:
    """Means over squares of ``factor`` pixels."""
    if factor == 1:
        return pixels
    return np.asarray(Image.fromarray(pixels).reduce(factor), dtype=np.uint8)


def _enlarge(pixels: npt.NDArray[np.uint8], factor: int) -> npt.NDArray[np.uint8]:
    """Bicubic interpolation to ``factor`` times the size."""
    height, width = pixels.shape
    larger = Image.fromarray(pixels).resize(
        (width * factor, height * factor), Image.Resampling.BICUBIC
    )
    return np.asarray(larger, dtype=np.uint8)


def _to_source(box: Box, found: _FoundInk, image: SignatureImage) -> Box:
    """The box in the source's pixels, inside its borders."""
    height, width = image.pixels.shape
    down, across = image.source_height / height, image.source_width / width
    return Box(
        top=int((found.top + box.top / found.zoom) * down),
        left=int((found.left + box.left / found.zoom) * across),
        bottom=min(image.source_height, math.ceil((found.top + box.bottom / found.zoom) * down)),
        right=min(image.source_width, math.ceil((found.left + box.right / found.zoom) * across)),
    )
