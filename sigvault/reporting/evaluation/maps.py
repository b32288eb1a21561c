"""Embeddings in two dimensions: principal components, and a map that keeps neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from sigvault.evaluation.protocols import EvaluationSigner
from sigvault.reporting.evaluation.drawing import (
    QUIET,
    TEXT,
    Drawing,
    legend_below,
    one_panel,
    to_svg,
)
from sigvault.reporting.words import count

Floats = npt.NDArray[np.float64]

SIGNERS = 12
"""No more signers than this in one picture."""

ANCHORS = 4
"""So many signers have links drawn from one of their signatures."""

PERPLEXITY = 30.0
"""How many neighbours the map that keeps neighbours looks at, at most."""

PALETTE = (
    "#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77",
    "#CC6677", "#882255", "#AA4499", "#0072B2", "#D55E00", "#8c8c8c",
)  # fmt: skip
"""Tol's muted colours and three more; each signer is named in the picture as well."""

_LEAST_IMAGES = 5
_SEED = 0


@dataclass(frozen=True)
class Link:
    """A line from an anchor to another image.

    Attributes:
        start: the place of the anchor, a genuine signature.
        end: the place of the other image.
        kind: ``"mated"``, ``"skilled"`` or ``"random"``.
    """

    start: int
    end: int
    kind: str


@dataclass(frozen=True, eq=False)
class Shown:
    """The images that the maps show.

    Attributes:
        names: of the signers shown.
        known: how many signers there are to show.
        vectors: float64 (N, D), unit norm.
        owner: int64 (N,): the place of each image's signer, or of the one imitated, in ``names``.
        forged: bool (N,).
        links: from a few anchors.
    """

    names: tuple[str, ...]
    known: int
    vectors: Floats
    owner: npt.NDArray[np.int64]
    forged: npt.NDArray[np.bool_]
    links: tuple[Link, ...]

    @property
    def who(self) -> str:
        """Which signers are shown, in a sentence."""
        if len(self.names) == self.known:
            return f"All {count(self.known, 'signer')}, {len(self.owner):,} images."
        return (
            f"{len(self.names)} of {self.known} signers, evenly spaced in the order of their names "
            f"({', '.join(self.names)}), {len(self.owner):,} images."
        )


def choose_shown(signers: Sequence[EvaluationSigner]) -> Shown | None:
    """The images of at most ``SIGNERS`` signers; None if there are too few to map."""
    usable = sorted((own for own in signers if own.genuine), key=_order)
    places = np.unique(np.linspace(0, len(usable) - 1, min(SIGNERS, len(usable))).round())
    chosen = [usable[int(place)] for place in places]
    vectors = [e.vector for own in chosen for e in (*own.genuine, *own.forged)]
    if len(vectors) < _LEAST_IMAGES:
        return None
    counts = [(len(own.genuine), len(own.forged)) for own in chosen]
    owner = np.repeat(np.arange(len(chosen)), [sum(own) for own in counts])
    forged = np.concatenate([np.repeat([False, True], own) for own in counts])
    return Shown(
        names=tuple(own.signer for own in chosen),
        known=len(usable),
        vectors=np.stack(vectors).astype(np.float64),
        owner=owner,
        forged=forged,
        links=tuple(_links(owner, forged, len(chosen))),
    )


def _order(own: EvaluationSigner) -> tuple[int, int, str]:
    """Whole numbers first, as numbers, then other names."""
    return (0, int(own.signer), "") if own.signer.isdecimal() else (1, 0, own.signer)


def _links(
    owner: npt.NDArray[np.int64], forged: npt.NDArray[np.bool_], signers: int
) -> Iterator[Link]:
    """From the first genuine signature of a few signers to one image of each kind."""
    rng = np.random.default_rng(_SEED)
    for place in np.unique(np.linspace(0, signers - 1, min(ANCHORS, signers)).round()):
        own = owner == int(place)
        anchor = int(np.flatnonzero(own & ~forged)[0])
        kinds = {"mated": own & ~forged, "skilled": own & forged, "random": ~own & ~forged}
        for kind, mask in kinds.items():
            others = np.flatnonzero(mask)
            others = others[others != anchor]
            if len(others):
                yield Link(anchor, int(rng.choice(others)), kind)


def principal_components(vectors: Floats, dimensions: int) -> tuple[Floats, Floats]:
    """Places along the principal components, and the share of variance that each explains.

    Args:
        vectors: float64 (N, D).
        dimensions: how many components.

    Returns:
        float64 (N, dimensions) and float64 (dimensions,); components beyond those that the
        vectors have are zero.
    """
    from sklearn.decomposition import PCA  # noqa: PLC0415 - slow to import

    found = PCA(min(dimensions, *vectors.shape), svd_solver="full")
    places = found.fit_transform(vectors)
    missing = dimensions - places.shape[1]
    return (
        np.pad(places, ((0, 0), (0, missing))),
        np.pad(np.nan_to_num(found.explained_variance_ratio_), (0, missing)),
    )


def neighbour_map(vectors: Floats) -> tuple[Floats, float]:
    """t-SNE (van der Maaten, Hinton 2008) with a fixed seed: places float64 (N, 2), perplexity."""
    from sklearn.manifold import TSNE  # noqa: PLC0415 - slow to import

    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3.0)
    mapper = TSNE(2, perplexity=perplexity, random_state=_SEED, init="random", n_jobs=1)
    return mapper.fit_transform(vectors).astype(np.float64), perplexity


def draw_maps(shown: Shown) -> Iterator[Drawing]:
    """Both maps of the same images."""
    markers = (
        "Circles are genuine signatures, crosses skilled forgeries of the signer of that colour. "
        if shown.forged.any()
        else "Circles are genuine signatures. "
    )
    links = "Lines lead from a few anchors to a mated image and to non-mated ones. "
    places, shares = principal_components(shown.vectors, 2)
    labels = [
        f"component {k + 1} ({100.0 * share:.0f} % of variance)" for k, share in enumerate(shares)
    ]
    yield Drawing(
        "map_pca",
        "Embeddings along two principal components",
        f"{shown.who} {markers}{links}Two components show only part of what tells signers apart, "
        "so overlapping here need not mean alike.",
        _draw(shown, places, (labels[0], labels[1])),
    )
    places, perplexity = neighbour_map(shown.vectors)
    yield Drawing(
        "map_neighbours",
        "Embeddings on a map that keeps neighbours (t-SNE)",
        f"{shown.who} {markers}{links}Perplexity {perplexity:.3g}, seed {_SEED}. What lies close "
        "together is alike; distances between groups and their sizes mean nothing.",
        _draw(shown, places, ("no unit", "no unit")),
    )


def _draw(shown: Shown, places: Floats, labels: tuple[str, str]) -> bytes:
    figure, axes = one_panel(height=5.6)
    for number, name in enumerate(shown.names):
        own, colour = shown.owner == number, PALETTE[number % len(PALETTE)]
        genuine, forged = places[own & ~shown.forged], places[own & shown.forged]
        axes.plot(*genuine.T, "o", color=colour, markersize=3.6, alpha=0.85, markeredgewidth=0)
        axes.plot(*forged.T, "x", color=colour, markersize=4.2, alpha=0.85, markeredgewidth=1.0)
        _name(axes, name, np.median(genuine, axis=0))
    styles = {"mated": "-", "skilled": "--", "random": ":"}
    words = {
        "mated": "to a mated image",
        "skilled": "to a skilled forgery",
        "random": "to another signer",
    }
    for kind, line in styles.items():
        for number, link in enumerate(one for one in shown.links if one.kind == kind):
            axes.plot(
                *places[[link.start, link.end]].T,
                color=TEXT,
                linestyle=line,
                linewidth=1.3,
                label=words[kind] if number == 0 else None,
            )
    anchors = places[sorted({link.start for link in shown.links})]
    axes.plot(*anchors.T, "o", color=TEXT, markersize=7, markerfacecolor="none", label="anchor")
    axes.plot([], [], "o", color=QUIET, markersize=4, label="genuine")
    if shown.forged.any():
        axes.plot([], [], "x", color=QUIET, markersize=4.5, label="skilled forgery")
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    legend_below(figure, 3)
    return to_svg(figure)


def _name(axes: Axes, name: str, place: Floats) -> None:
    axes.annotate(
        name if len(name) <= 12 else name[:11] + "…",
        (float(place[0]), float(place[1])),
        (0, 9),
        textcoords="offset points",
        color=TEXT,
        fontsize=9,
        fontweight="bold",
        ha="center",
        va="center",
        parse_math=False,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )
