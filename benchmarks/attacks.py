"""What a pasted copy, noise, a traced reference, or a forgery changed until it passes achieves.

Run: ``python benchmarks/attacks.py DATA [DATA ...] [--signers N] [--changed N] [--queries N]
[--dpi DPI ...] [--only ATTACK ...]``

Each DATA is a folder of signatures of signers that the model was not trained on. Five signatures
are each signer's references, and the model's own threshold for five decides.

- Copies: a reference itself, altered in each way of `sigvault.imaging.disturbances` and in some of
  lesser strength, is the probe.
- Noise: pictures without a signature are held against every signer.
- Traced references, simulated: the path of each reference's ink, off by an error of the hand, is
  drawn by another pen on another sheet. The error wanders along the lines, their ends are off as
  well, and a fine tremor comes on top; lines that meet stay joined. ``--dpi`` is the resolution of
  each DATA's scans, or one for all, so that errors are in millimetres.
- Changed forgeries: grey levels of the scan of a forgery that was not accepted are changed by at
  most 8 of 255, square by square at random, and a change stays if the score rose. In the manner of
  Square Attack (Andriushchenko, Croce, Flammarion, Hein, ECCV 2020), which needs no gradient: there
  is none through looking for ink and redrawing it.

Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage, sparse
from scipy.sparse.csgraph import laplacian
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from sigvault.datasets import read_layout
from sigvault.domain.comparison import Decision, Score, Threshold, select_threshold
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import ImageError
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.domain.image import InkImage, SignatureImage
from sigvault.embedding.card import bundled_model
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.imaging.decode import decode_file
from sigvault.imaging.disturbances import Disturbance, disturb
from sigvault.imaging.one_pen import trace
from sigvault.imaging.preprocessing import Recipe, finer_canvas, read_preprocessing
from sigvault.services.comparing import Claimed
from sigvault.services.straightening import look_again
from sigvault.synthesis.rendering import render
from sigvault.synthesis.scans import draw_scan
from sigvault.synthesis.specimen import Writing

REFERENCES = 5
MOST_CHANGE = 8
"""Grey levels of 255 that a forgery's pixels are changed by at most."""

ALTERATIONS = (
    (None, 0.0, "none: the same pixels"),
    (Disturbance.JPEG, 1.0, "recompressed, JPEG quality 20"),
    (Disturbance.HALVED, 1.0, "half the size"),
    (Disturbance.DOUBLED, 1.0, "twice the size"),
    (Disturbance.TURNED_5, 0.2, "turned by 1 degree"),
    (Disturbance.TURNED_5, 0.4, "turned by 2 degrees"),
    (Disturbance.TURNED_5, 0.6, "turned by 3 degrees"),
    (Disturbance.TURNED_5, 0.9, "turned by 4.5 degrees"),
    (Disturbance.TURNED_10, 0.75, "turned by 7.5 degrees"),
    (Disturbance.TURNED_10, 1.0, "turned by 10 degrees"),
    (Disturbance.TURNED_20, 0.75, "turned by 15 degrees"),
    (Disturbance.TURNED_20, 1.0, "turned by 20 degrees"),
    (Disturbance.PERSPECTIVE, 0.3, "photographed slightly askew"),
    (Disturbance.PERSPECTIVE, 1.0, "photographed askew"),
    (Disturbance.TINT, 1.0, "tinted paper"),
    (Disturbance.SHADOW, 1.0, "shadow"),
    (Disturbance.BLUR, 1.0, "blurred"),
    (Disturbance.NOISE, 1.0, "noisy"),
    (Disturbance.FAINT, 1.0, "faint"),
    (Disturbance.RULED, 1.0, "on ruled paper"),
    (Disturbance.PRINTED, 1.0, "over print"),
)

ATTACKS = ("copies", "noise", "traced", "changed")
"""The tables, in their order."""

HAND_ERRORS = (0.1, 0.2, 0.4, 0.8)
"""How far a traced line is off, in millimetres: the standard deviation in each direction."""

WANDERING = (3.0, 10.0)
"""Ways along a line over which that stays about the same, in millimetres: two hands."""

TREMOR, TREMBLING = 0.05, 0.5
"""Its standard deviation in each direction and its way, in millimetres."""

STAIRS = 0.1
"""Way over which a path is smoothed, in millimetres, so that no line is as jagged as pixels."""

FINENESS = 4
"""Pixels, in each direction, of the canvas that paths are taken from for one of the model's."""


@dataclass(frozen=True, eq=False)
class Enrolled:
    """A signer with references, and what else there is of the signer.

    Attributes:
        gallery: five references.
        pictures: the references' pictures.
        genuine: files of other genuine signatures.
        forged: files of skilled forgeries.
    """

    gallery: Gallery
    pictures: tuple[SignatureImage, ...]
    genuine: tuple[Path, ...]
    forged: tuple[Path, ...]


@dataclass(frozen=True, eq=False)
class Lines:
    """The path of a signature's ink.

    Attributes:
        points: float64 (N, 2), in millimetres; x grows to the right, y upwards.
        joins: numbers of the two points of each step of the pen, intp (M, 2).
    """

    points: np.ndarray
    joins: np.ndarray


@dataclass(frozen=True, eq=False)
class Examined:
    """A picture that can serve.

    Attributes:
        ink: on the model's canvas.
        embedding: of it.
    """

    ink: InkImage
    embedding: Embedding


class Examiner:
    """The model with its threshold for five references."""

    def __init__(self, model: Path) -> None:
        """Load it."""
        self.embedder = TorchEmbedder(model)
        card = self.embedder.card
        self.recipe = read_preprocessing(card.preprocessing)
        threshold = select_threshold(card.thresholds, REFERENCES)
        if threshold is None:
            sys.exit(f"{model} has no threshold for {REFERENCES} references")
        self.threshold: Threshold = threshold

    def embed(
        self, pictures: Sequence[SignatureImage], *, as_references: bool = False
    ) -> list[Examined | None]:
        """Each picture's ink and embedding; None for one that can't serve."""
        prepared = [self.recipe.prepare(picture) for picture in pictures]
        usable = [not any(finding.severe for finding in one.findings) for one in prepared]
        inks = [one.ink for one, fits in zip(prepared, usable, strict=True) if fits]
        embedded = self.embedder.embed(inks, as_references=as_references)
        found = iter(map(Examined, inks, embedded))
        return [next(found) if fits else None for fits in usable]

    def score(self, probe: Examined, gallery: Gallery) -> Score:
        """The probe against the gallery, as `sigvault.services.verification` has it."""
        claimed = Claimed(gallery, self.threshold)
        return look_again(self.embedder, claimed.compare(probe.ink, probe.embedding), claimed)

    def enroll(self, folder: Path, most: int) -> Iterator[Enrolled]:
        """Signers with five references that can serve, in the order of their names."""
        dataset = read_layout(folder)
        for signer in sorted(dataset.signers)[:most]:
            own = [each for each in dataset.specimens if each.signer == signer]
            genuine = [each.path for each in own if each.genuine]
            pictures = tuple(read(genuine[:REFERENCES]))
            embeddings = self.embed(pictures, as_references=True)
            if len(pictures) < REFERENCES or None in embeddings:
                continue
            references = tuple(
                Reference(ReferenceId(str(number)), each.embedding)
                for number, each in enumerate(embeddings)
                if each is not None
            )
            yield Enrolled(
                Gallery(SignerId(signer), GenerationId(1), references),
                pictures,
                tuple(genuine[REFERENCES:]),
                tuple(each.path for each in own if not each.genuine),
            )


def main() -> int:
    """Attack, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, default=bundled_model())
    parser.add_argument("--signers", type=int, default=1000, help="of each data set, at most")
    parser.add_argument("--queries", type=int, default=100, help="for each changed forgery")
    parser.add_argument("--changed", type=int, default=1, help="forgeries a signer to change")
    parser.add_argument("--dpi", type=float, nargs="+", default=[300.0], help="of each DATA")
    parser.add_argument("--only", choices=ATTACKS, nargs="+", default=ATTACKS)
    chosen = parser.parse_args()
    if len(chosen.dpi) not in {1, len(chosen.data)}:
        parser.error("--dpi takes one resolution, or one for each DATA")
    examiner = Examiner(chosen.model)
    limit = examiner.threshold.copy_limit
    if limit is None:
        sys.exit("the model's thresholds know no copies: run `sigvault release` again")
    traced = examiner.threshold.trace_limit
    lower = "" if traced is None else f", perhaps traced from {traced:.3f}"
    write(f"{examiner.embedder.model}, copies from a local score of {limit:.3f}{lower}.\n")
    for folder, dpi in zip(chosen.data, chosen.dpi * len(chosen.data), strict=False):
        signers = list(examiner.enroll(folder, chosen.signers))
        write(f"## {folder.name}, {len(signers)} signers\n")
        if "copies" in chosen.only:
            show_copies(examiner, signers)
        if "noise" in chosen.only:
            show_noise(examiner, signers)
        if "traced" in chosen.only:
            show_traced(examiner, signers, dpi)
        if "changed" in chosen.only:
            show_changed(examiner, signers, chosen.changed, chosen.queries)
    return 0


def write(line: str) -> None:
    """One line to standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def read(paths: Sequence[Path]) -> Iterator[SignatureImage]:
    """Pictures that can be read."""
    for path in paths:
        try:
            yield decode_file(path)
        except ImageError:
            continue


def with_pixels(picture: SignatureImage, pixels: np.ndarray) -> SignatureImage:
    """The picture with other pixels."""
    height, width = pixels.shape
    return replace(picture, pixels=pixels, source_height=height, source_width=width)


def show_copies(examiner: Examiner, signers: Sequence[Enrolled]) -> None:
    """A reference of each signer, altered; and what genuine signatures would have had."""
    write_columns("A copy of a reference, altered")
    for disturbance, strength, title in ALTERATIONS:
        tally: Counter[str] = Counter()
        for number, own in enumerate(signers):
            probe = own.pictures[number % REFERENCES]
            if disturbance is not None:
                pixels = disturb(probe.pixels, disturbance, strength=strength, seed=number)
                probe = with_pixels(probe, pixels)
            tally += answer(examiner, own.gallery, [probe])
        write_shares(title, tally)
    tally = Counter()
    for own in signers:
        tally += answer(examiner, own.gallery, list(read(own.genuine)))
    write_shares("(no copy: the signer's other genuine signatures)", tally)
    write("")


TALLIED = {
    "alarm": "alarm",
    "traced": "perhaps traced",
    "accepted": "accepted",
    "without": "accepted without either",
    "looked": "looked at closer",
}


def answer(examiner: Examiner, gallery: Gallery, probes: Sequence[SignatureImage]) -> Counter[str]:
    """How many probes there are, and what became of them; see `TALLIED`."""
    tally: Counter[str] = Counter(probes=len(probes))
    for probe in examiner.embed(probes):
        if probe is None:
            continue
        score, threshold = examiner.score(probe, gallery), examiner.threshold
        tally["alarm"] += threshold.copied(score) is not None
        tally["traced"] += threshold.traced(score) is not None
        tally["accepted"] += threshold.judge(score) is Decision.ACCEPT
        tally["without"] += threshold.decide(score.value) is Decision.ACCEPT
        tally["looked"] += score.per_reference[0].turned is not None
    return tally


def write_columns(title: str) -> None:
    """The head of a table of shares."""
    columns = (title, *TALLIED.values())
    write(f"| {' | '.join(columns)} |")
    write(f"|{'---|' * len(columns)}")


def write_shares(title: str, tally: Counter[str]) -> None:
    """One row."""
    shares = [f"{100 * tally[name] / tally['probes']:.1f} %" for name in TALLIED]
    write(f"| {title} | {' | '.join(shares)} |")


def show_noise(examiner: Examiner, signers: Sequence[Enrolled]) -> None:
    """Pictures without a signature, against every signer."""
    write("| No signature at all | can't serve | answers | accept | review |")
    write("|---|---|---|---|---|")
    for title, make in NOISE.items():
        rng = np.random.default_rng(7)
        pictures = [SignatureImage(make(rng), "0" * 64, 600, 300) for _ in range(20)]
        probes = [probe for probe in examiner.embed(pictures) if probe is not None]
        said = Counter(
            examiner.threshold.judge(examiner.score(probe, own.gallery))
            for probe in probes
            for own in signers
        )
        write(
            f"| {title} | {len(pictures) - len(probes)} of {len(pictures)} | {said.total()} "
            f"| {said[Decision.ACCEPT]} | {said[Decision.REVIEW]} |"
        )
    write("")


def _grains(rng: np.random.Generator) -> np.ndarray:
    return np.clip(rng.normal(200, 60, (300, 600)), 0, 255).astype(np.uint8)


def _blots(rng: np.random.Generator) -> np.ndarray:
    soft = ndimage.gaussian_filter(rng.normal(size=(300, 600)), 6.0)
    return np.where(soft > np.quantile(soft, 0.93), 40, 245).astype(np.uint8)


def _scribble(rng: np.random.Generator) -> np.ndarray:
    page = Image.new("L", (600, 300), 245)
    path = np.cumsum(rng.normal(0, 22, (90, 2)), axis=0)
    path = (path - path.min(axis=0)) / np.ptp(path, axis=0) * (500, 220) + (50, 40)
    ImageDraw.Draw(page).line([tuple(point) for point in path], fill=30, width=4, joint="curve")
    return np.asarray(page)


def _print(rng: np.random.Generator) -> np.ndarray:
    page = Image.new("L", (600, 300), 245)
    text = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz "), 14))
    ImageDraw.Draw(page).text((40, 110), text, fill=30, font=ImageFont.load_default(size=64))
    return np.asarray(page)


NOISE: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "grains": _grains,
    "blots": _blots,
    "a random scribble": _scribble,
    "printed letters": _print,
}


def show_traced(examiner: Examiner, signers: Sequence[Enrolled], dpi: float) -> None:
    """Every reference, traced by each hand; and what skilled forgeries achieve."""
    hands = [(0.0, 0.0), *((error, way) for way in WANDERING for error in HAND_ERRORS)]
    tallies: dict[tuple[float, float], Counter[str]] = {hand: Counter() for hand in hands}
    for number, own in enumerate(signers):
        for place, picture in enumerate(own.pictures):
            lines = find_lines(picture, examiner.recipe, dpi)
            for hand in hands:
                # The same chance, pen and sheet for each hand, so that nothing else differs.
                rng = np.random.default_rng((number, place))
                probe = with_pixels(picture, draw_traced(lines, *hand, dpi, rng))
                tallies[hand] += answer(examiner, own.gallery, [probe])
    write_columns("A reference traced by hand (simulated)")
    for (error, way), tally in tallies.items():
        off = f"off by {error:g} mm, wandering over {way:g} mm"
        write_shares(off if error else "not off at all, another pen", tally)
    tally = Counter()
    for own in signers:
        tally += answer(examiner, own.gallery, list(read(own.forged)))
    write_shares("(not traced: the signer's skilled forgeries)", tally)
    write("")


def find_lines(picture: SignatureImage, recipe: Recipe, dpi: float) -> Lines:
    """The path of a picture's ink, as somebody sees it who looks at where the lines are."""
    ink = finer_canvas(recipe, FINENESS).prepare(picture).ink
    path = trace(ink.ink > 0.5)
    joins = cKDTree(path).query_pairs(1.5, output_type="ndarray")  # each pixel and the eight about
    return Lines(path[:, ::-1] * (1, -1) / (ink.scale * dpi / 25.4), joins)


def draw_traced(
    lines: Lines, error: float, way: float, dpi: float, rng: np.random.Generator
) -> np.ndarray:
    """A scan of lines that a hand has followed, pressing evenly; exactly without an error."""
    scan = draw_scan(rng, dpi)
    points = smooth(lines.points, lines, STAIRS)
    if error:
        points = points + error * wander(lines, way, rng)
        points = points + TREMOR * wander(lines, TREMBLING, rng)
    # Every step is drawn by itself, after a way in the air that leads to where it begins.
    points = points[lines.joins[:, [0, 0, 1]].ravel()]
    down = np.tile([False, True, True], len(lines.joins))
    lengths = np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T)
    times = np.arange(len(points), dtype=np.float64)
    writing = Writing(points, down, lengths, np.full(len(points), 0.5), times)
    return render(writing, scan, rng)


def wander(lines: Lines, way: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of unit variance for each point; so far along a line, correlated by 1 / e."""
    noise = smooth(rng.standard_normal((len(lines.points), 100)), lines, way / 2)
    # How much of the noise is left depends on how lines end and meet: all drawings together say.
    wandered: np.ndarray = noise[:, :2] / np.sqrt(np.mean(noise**2, axis=1, keepdims=True))
    return wandered


def smooth(values: np.ndarray, lines: Lines, spread: float) -> np.ndarray:
    """Values (N, K) of points averaged along the lines, with about this standard deviation in mm.

    They diffuse from each point to those that it is joined to, in four implicit steps of Euler's.
    """
    count, (one, other) = len(lines.points), lines.joins.T
    step = np.hypot(*(lines.points[one] - lines.points[other]).T).mean()
    joined = sparse.coo_array((np.ones(len(one)), (one, other)), (count, count))
    flow = laplacian(joined + joined.T)
    solver = splu((sparse.eye_array(count) + (spread / step) ** 2 / 8 * flow).tocsc())
    for _ in range(4):
        values = solver.solve(values)
    return values


def show_changed(
    examiner: Examiner, signers: Sequence[Enrolled], changed: int, queries: int
) -> None:
    """Forgeries that were not accepted, changed to raise their score."""
    before: Counter[Decision] = Counter()
    after: Counter[tuple[Decision, Decision]] = Counter()
    gains = []
    for own in signers:
        for picture in read(own.forged[:changed]):
            (probe,) = examiner.embed([picture])
            if probe is None:
                continue
            score = examiner.score(probe, own.gallery)
            first = examiner.threshold.judge(score)
            before[first] += 1
            if first is Decision.ACCEPT:
                continue
            best = climb(examiner, own.gallery, picture, score, queries)
            gains.append(best.value - score.value)
            after[first, examiner.threshold.judge(best)] += 1
    write(
        f"| Forgeries, each changed by up to {MOST_CHANGE} of 255 in {queries} tries "
        "| of them | then refuse | then review | then accept |"
    )
    write("|---|---|---|---|---|")
    for first in (Decision.REFUSE, Decision.REVIEW):
        counts = " | ".join(
            str(after[first, last]) for last in (Decision.REFUSE, Decision.REVIEW, Decision.ACCEPT)
        )
        write(f"| {first.value} before | {before[first]} | {counts} |")
    if gains:
        write(f"\nTheir score rose by {np.mean(gains):.3f} (mean), {np.max(gains):.3f} at most.\n")


def climb(
    examiner: Examiner, gallery: Gallery, picture: SignatureImage, score: Score, queries: int
) -> Score:
    """The best score that was found by changing squares of grey levels."""
    rng = np.random.default_rng(11)
    height, width = picture.pixels.shape
    change = np.zeros((height, width), np.int16)
    for query in range(queries):
        side = max(2, int(min(height, width) * 0.5 * (1 - query / queries)))
        top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
        tried = change.copy()
        tried[top : top + side, left : left + side] = rng.choice((-MOST_CHANGE, MOST_CHANGE))
        pixels = np.clip(picture.pixels.astype(np.int16) + tried, 0, 255).astype(np.uint8)
        (probe,) = examiner.embed([with_pixels(picture, pixels)])
        if probe is None:
            continue
        found = examiner.score(probe, gallery)
        if found.value > score.value:
            score, change = found, tried
    return score


if __name__ == "__main__":
    sys.exit(main())
