"""Whether a model can tell ink that was rendered from pen movements from ink that was scanned.

Run: ``python benchmarks/rendered_or_scanned.py DATA [--signers 40] [--signatures 6] [--patches 20]
[--seed 0]``

DATA holds ``trajectories`` (what ``scripts/render_trajectories`` drew; a set for each family of
recordings), ``cedar`` and ``sigcomp2011_dutch`` or one of them (scanned), and may hold
``crossmedia_chinese`` (the same writers' same names on paper, tablet and phone). Genuine signatures
alone; as many signers on both sides of a row, and as many signatures of each.

Any two sets can be told apart somewhat, since other people write other names in them. So what is
looked at is small: gradient histograms of patches about the ink, which hold little of a name, and
beside them the bundled model's vectors. Controls have scans on both sides, or renderings. A linear
discriminant is taught on four fifths of the signers and tested on the others, in turn; in the
second table it is taught on some sets and tested on others, which share nothing but where their ink
came from. Patches are of the bundled model's recipe and, to compare, of ``sauvola-1``, which keeps
strokes as thick as they were.

Areas under the ROC curve with 95 % intervals that resample signers; 0.5 tells nothing. The third
table has single numbers about the path, with the side that has the larger ones. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations, groupby, product, zip_longest
from operator import itemgetter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track
from ruled_paper import write
from scipy import ndimage
from skimage.feature import hog, structure_tensor, structure_tensor_eigenvalues
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedGroupKFold

from sigvault.datasets import Specimen, read_layout
from sigvault.domain.errors import DatasetError, SigvaultError
from sigvault.embedding.card import bundled_model
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.evaluation.error_rates import SignerScores
from sigvault.evaluation.leaks import measure_leak
from sigvault.evaluation.resampled_curves import Resampled, area, resample_curve
from sigvault.imaging.decode import decode_file
from sigvault.imaging.one_pen import trace
from sigvault.imaging.preprocessing import preprocessing_by_name, read_preprocessing

Floats = npt.NDArray[np.float64]
Ink = npt.NDArray[np.float32]

SCANNED = ("cedar", "sigcomp2011_dutch")
RENDERED = "trajectories"
CROSSMEDIA = "crossmedia_chinese"
MEDIA = {"paper": "1", "tablet": "2", "phone": "3"}
MIXED_UP = "w069"
"""A writer who shares pictures with two others."""

SIDE = 24
"""Of a patch, in pixels of the canvas."""

CELL = 6
"""Side of the cells of a patch whose gradients are counted together."""

FOLDS = 5
RESAMPLINGS = 500

COLUMNS = {
    "one pen: a patch": ("patches", False),
    "a signature by its patches": ("patches", True),
    "its vector": ("vector", True),
    "as thick as found: a patch": ("plain patches", False),
    "a signature by them": ("plain patches", True),
}
"""What is looked at, and whether a signature's scores are averaged."""

TRAITS = (
    "ends of strokes",
    "places where strokes meet",
    "spurs: ends beside such a place",
    "small eyes",
    "straightness within 2 pixels",
    "straightness within 6 pixels",
)
"""Of the one pen's path; all but straightness for each pixel of its length."""

BESIDE = 6
"""Pixels from an end to where strokes meet, at most, for it to be a spur."""

SMALL = 40
"""Pixels of white that a small eye encloses, at most."""

QUESTION = "scanned, rendered"
CONTROL = "*cedar, sigcomp2011_dutch*"
SAME_WRITERS = ("paper, tablet", "paper, phone")


@dataclass(frozen=True, eq=False)
class Picture:
    """One signature.

    Attributes:
        signer: whose it is; no two people of all sets are called the same.
        views: what may be looked at, float64 (rows, numbers): many patches, or one vector.
    """

    signer: str
    views: Mapping[str, Floats]


Signers = list[list[Picture]]
"""Pictures by signer."""

Pair = tuple[Signers, Signers]
"""What is to be told apart: as many signers on both sides."""


def main() -> int:
    """Read, look, tell apart, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--signers", type=int, default=40, help="of each set, at most")
    parser.add_argument("--signatures", type=int, default=6, help="of each signer")
    parser.add_argument("--patches", type=int, default=20, help="of each signature")
    parser.add_argument("--seed", type=int, default=0, help="of what is chosen")
    chosen = parser.parse_args()
    if chosen.signers < FOLDS or min(chosen.signatures, chosen.patches) < 1:
        parser.error(f"at least {FOLDS} signers, one signature and one patch are needed")
    eye, sets = Eye(chosen.patches, chosen.seed), {}
    try:
        for name, signers in read_sets(chosen.data, chosen.signers, chosen.signatures, chosen.seed):
            bar = track(signers, f"Looking at {name}", console=Console(stderr=True))
            sets[name] = [[eye.look(name, one) for one in own] for own in bar]
    except SigvaultError as error:
        sys.exit(str(error))
    pairs = pair_up(sets)
    if QUESTION not in pairs:
        sys.exit(f"{chosen.data} has no {RENDERED}, or neither of {', '.join(SCANNED)}")
    show(["Told apart", "signers a side", *COLUMNS], tell_apart(pairs))
    show(["Taught on", "tested on", *COLUMNS], teach_elsewhere(sets, pairs))
    few = {title: pairs[title] for title in (QUESTION, *SAME_WRITERS, CONTROL) if title in pairs}
    show(["Of the path", *few], tell_by_traits(few))
    return 0


def show(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table, each row as soon as it is there."""
    write(f"\n| {' | '.join(header)} |\n{'|---' * len(header)}|")
    for row in rows:
        write(f"| {' | '.join(row)} |")


def read_sets(
    data: Path, most: int, signatures: int, seed: int
) -> Iterator[tuple[str, list[list[Specimen]]]]:
    """Each set that is there: so many signatures of each of so many signers."""
    for folder in (*SCANNED, RENDERED, CROSSMEDIA):
        if not (data / folder).is_dir():
            sys.stderr.write(f"left out: {data} has no {folder}\n")
            continue
        sets: dict[str, dict[str, list[Specimen]]] = defaultdict(lambda: defaultdict(list))
        for one in read_layout(data / folder).specimens:
            if one.genuine and (name := name_set(folder, one)):
                sets[name][one.signer].append(one)
        for name, signers in sets.items():
            rng = np.random.default_rng(seed)  # so that media are of the same writers and names
            enough = [own for own in signers.values() if len(own) >= signatures]
            if len(enough) < FOLDS:
                sys.stderr.write(f"left out: {name} has not {FOLDS} signers with {signatures}\n")
                continue
            drawn = [enough[place] for place in rng.permutation(len(enough))[:most]]
            yield (
                name,
                [[own[at] for at in rng.permutation(len(own))[:signatures]] for own in drawn],
            )


def name_set(folder: str, one: Specimen) -> str:
    """The set that a picture belongs to; empty for one that is left out."""
    if folder == RENDERED:
        return one.signer.split("-")[0].split("_")[0]
    if folder != CROSSMEDIA:
        return folder
    medium = one.path.stem.split("_")[0]
    writer = one.signer.startswith("w") and one.signer != MIXED_UP
    return next((name for name, number in MEDIA.items() if writer and medium == number), "")


class Eye:
    """What can be seen of a picture."""

    def __init__(self, patches: int, seed: int) -> None:
        """Load the bundled model, and prepare to draw so many patches of a picture."""
        self._embedder = TorchEmbedder(bundled_model(), device="cpu")
        self._recipe = read_preprocessing(self._embedder.card.preprocessing)
        self._plain = preprocessing_by_name("sauvola-1", self._recipe.height, self._recipe.width)
        self._patches, self._rng = patches, np.random.default_rng(seed)

    def look(self, name: str, one: Specimen) -> Picture:
        """All views of a picture."""
        decoded = decode_file(one.path)
        own, plain = self._recipe.prepare(decoded).ink, self._plain.prepare(decoded).ink
        if not (own.ink > 0.5).any():
            raise DatasetError(f"{one.path} has no ink: take it out of the data")
        views = {
            "patches": self._take(own.ink),
            "vector": self._embedder.embed([own])[0].vector[None].astype(np.float64),
            "plain patches": self._take(plain.ink),
            "traits": np.array([measure_path(own.ink)]),
        }
        return Picture(f"{CROSSMEDIA if name in MEDIA else name}/{one.signer}", views)

    def _take(self, ink: Ink) -> Floats:
        """Gradient histograms (Dalal and Triggs 2005) of patches about ink."""
        places = self._rng.permutation(np.argwhere(ink > 0.5))[: self._patches]
        wide, cell = np.pad(ink, SIDE // 2), (CELL, CELL)
        patches = [wide[row : row + SIDE, column : column + SIDE] for row, column in places]
        return np.array([hog(patch, 9, cell, (2, 2)) for patch in patches], dtype=np.float64)


def measure_path(ink: Ink) -> list[float]:
    """The traits of the path, whose crossing numbers (Rutovitz 1966) tell ends and meetings."""
    path = np.zeros(ink.shape, dtype=bool)
    path[tuple(trace(ink > 0.5).T)] = True
    around = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
    ring = np.array([np.roll(path, step, (0, 1)) for step in around])
    strokes = (ring & ~np.roll(ring, 1, axis=0)).sum(axis=0)
    ends, meetings = path & (strokes == 1), path & (strokes > 2)
    spurs = ends & ndimage.binary_dilation(meetings, iterations=BESIDE)
    whites = np.bincount(ndimage.label(ink <= 0.5)[0].ravel())[1:]
    places = ndimage.label(meetings, np.ones((3, 3)))[1]
    counts = (ends.sum(), places, spurs.sum(), (whites <= SMALL).sum())
    straight = []
    for reach in (2, 6):
        tensor = structure_tensor(ink, reach)  # type: ignore[no-untyped-call]
        large, small = structure_tensor_eigenvalues(tensor)  # type: ignore[no-untyped-call]
        straight.append(float(((large - small) / (large + small + 1e-9))[path].mean()))
    return [float(count / path.sum()) for count in counts] + straight


def kinds(sets: Mapping[str, Signers]) -> tuple[list[str], list[str]]:
    """The names of the scanned sets, and of the rendered ones."""
    scanned = [name for name in sets if name in SCANNED]
    return scanned, [name for name in sets if name not in {*SCANNED, *MEDIA}]


def pool(
    sets: Mapping[str, Signers], names: Iterable[str], but: str = "", half: int = 0
) -> Signers:
    """The signers of several sets in turns; every second one of each for half 1 or 2."""
    some = [sets[name][half - 1 :: 2] if half else sets[name] for name in names if name != but]
    return [signer for turn in zip_longest(*some) for signer in turn if signer is not None]


def even(one: Signers, other: Signers) -> Pair:
    """As many signers on both sides."""
    count = min(len(one), len(other))
    return one[:count], other[:count]


def pair_up(sets: Mapping[str, Signers]) -> dict[str, Pair]:
    """What is told apart, by its title; controls, in italics, after the question."""
    scanned, rendered = kinds(sets)
    everything = pool(sets, rendered)
    pairs = {QUESTION: even(pool(sets, scanned), everything)}
    pairs |= {f"{name}, rendered": even(sets[name], everything) for name in scanned}
    for one, other in combinations([*scanned, *(name for name in MEDIA if name in sets)], 2):
        if (one in MEDIA) == (other in MEDIA):
            title = f"{one}, {other}"
            title = title if title in SAME_WRITERS else f"*{title}*"
            pairs[title] = even(sets[one], sets[other])
    for name in rendered:
        pairs[f"*{name}, other rendered*"] = even(sets[name], pool(sets, rendered, but=name))
    for title, names in (("scanned", scanned), ("rendered", rendered)):
        halves = (pool(sets, names, half=half) for half in (1, 2))
        pairs[f"*halves of {title}*"] = even(*halves)
    return {title: pair for title, pair in pairs.items() if len(pair[0]) > 1}


@dataclass(frozen=True, eq=False)
class Rows:
    """One view of both sides.

    Attributes:
        numbers: float64 (N, numbers).
        first: bool (N,), whether of the first side.
        picture: int64 (N,), which of them; rising.
        signer: str (N,).
    """

    numbers: Floats
    first: npt.NDArray[np.bool_]
    picture: npt.NDArray[np.int64]
    signer: npt.NDArray[np.str_]

    @classmethod
    def of(cls, pair: Pair, view: str) -> Rows:
        """All rows of the pictures."""
        pictures = [(one, side == 0) for side in (0, 1) for own in pair[side] for one in own]
        lengths = [len(one.views[view]) for one, _ in pictures]
        return cls(
            np.concatenate([one.views[view] for one, _ in pictures]),
            np.repeat([first for _, first in pictures], lengths),
            np.repeat(np.arange(len(pictures)), lengths),
            np.repeat([one.signer for one, _ in pictures], lengths),
        )

    def score(self, taught: Rows) -> Floats:
        """How much each row is of the first side, by what others taught."""
        learner = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        learner.fit(taught.numbers, taught.first)
        scores: Floats = learner.decision_function(self.numbers)
        return scores

    def take(self, chosen: npt.NDArray[np.intp]) -> Rows:
        """Some of the rows."""
        return Rows(*(getattr(self, each.name)[chosen] for each in fields(self)))

    def cross_score(self) -> Floats:
        """How much each row is of the first side, by what other signers of both taught."""
        scores = np.empty(len(self.first))
        signers = min(len(np.unique(self.signer[kind])) for kind in (self.first, ~self.first))
        folds = StratifiedGroupKFold(min(FOLDS, signers), shuffle=True, random_state=0)
        for taught, tested in folds.split(self.numbers, self.first, self.signer):
            scores[tested] = self.take(tested).score(self.take(taught))
        return scores

    def measure(
        self, scores: Floats, averaged: bool, roster: Sequence[str] | None = None
    ) -> Resampled:
        """The area under the curve, of rows or of pictures by the mean of their rows.

        Args:
            scores: of each row.
            averaged: whether pictures are measured.
            roster: the signers who are resampled; those of the rows if None.
        """
        first, signer = self.first, self.signer
        if averaged:
            starts = np.unique(self.picture, return_index=True)[1]
            scores = np.add.reduceat(scores, starts) / np.bincount(self.picture)
            first, signer = first[starts], signer[starts]
        names = np.unique(signer) if roster is None else np.asarray(roster)
        place = np.searchsorted(names, signer)
        by_signer = SignerScores(
            tuple(scores[first & (place == each)] for each in range(len(names))),
            tuple(scores[~first & (place == each)] for each in range(len(names))),
        )
        return resample_curve(
            lambda curve: np.array([area(curve)]), by_signer, bootstraps=RESAMPLINGS
        )


def tell_apart(pairs: Mapping[str, Pair]) -> Iterator[list[str]]:
    """Taught and tested on the same sets, but on other signers."""
    for title, pair in pairs.items():
        cells = []
        for view, columns in groupby(COLUMNS.values(), key=itemgetter(0)):
            rows = Rows.of(pair, view)
            scores = rows.cross_score()
            cells += [cell(rows.measure(scores, averaged)) for _, averaged in columns]
        yield [title, str(len(pair[0])), *cells]


def teach_elsewhere(sets: Mapping[str, Signers], pairs: Mapping[str, Pair]) -> Iterator[list[str]]:
    """Taught on some sets and tested on others; the mean where there are several ways."""
    scanned, rendered = kinds(sets)
    turns = [
        (
            even(sets[one], sets[other]),
            even(pool(sets, scanned, but=one), pool(sets, rendered, but=other)),
        )
        for one, other in product(scanned, rendered)
    ]
    plans = [("one scanned, one rendered set", "the others", turns)]
    for title in SAME_WRITERS:
        if title in pairs:
            plans += [(title, QUESTION, [(pairs[title], pairs[QUESTION])])]
            plans += [(QUESTION, title, [(pairs[QUESTION], pairs[title])])]
    for taught, tested, ways in plans:
        if all(pair[0] for way in ways for pair in way):
            yield [taught, tested, *(cell(carry(ways, *each)) for each in COLUMNS.values())]


def carry(ways: Sequence[tuple[Pair, Pair]], view: str, averaged: bool) -> Resampled:
    """The mean area of what the first pair of each way teaches about its second."""
    tested = [Rows.of(second, view) for _, second in ways]
    roster = np.unique(np.concatenate([rows.signer for rows in tested])).tolist()
    found = [
        rows.measure(rows.score(Rows.of(first, view)), averaged, roster)
        for (first, _), rows in zip(ways, tested, strict=True)
    ]
    return Resampled(
        np.mean([one.value for one in found], axis=0),
        np.mean([one.resampled for one in found], axis=0),
    )


def tell_by_traits(pairs: Mapping[str, Pair]) -> Iterator[list[str]]:
    """By one number at a time, then by all of them."""
    stacks = [Rows.of(pair, "traits") for pair in pairs.values()]
    for place, name in enumerate(TRAITS):
        cells = []
        for rows in stacks:
            found = measure_leak(name, rows.numbers[:, place], rows.first, rows.signer).pooled
            side = "first" if found.forged_higher else "second"
            cells.append(f"{found.auc:.2f} ({found.low:.2f}–{found.high:.2f}), {side}")
        yield [name, *cells]
    yield ["all of them", *(cell(rows.measure(rows.cross_score(), True)) for rows in stacks)]


def cell(found: Resampled) -> str:
    """An area and its interval."""
    rate = found.rate()
    return f"{rate.value:.2f} ({rate.low:.2f}–{rate.high:.2f})"


if __name__ == "__main__":
    sys.exit(main())
