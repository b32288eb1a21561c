"""Whether further scans of a reference are told, and separate signings let in.

Run: ``python benchmarks/repeated_scans.py DATASET [--signers 8] [--model DIR]``

For every so many-th signer: the local scores of a genuine signature with each other one as the
reference, and of the first reference with scans of it, drawn from its picture by a turn of up to
1.6 degrees and noise of four grey levels. Then how many of either an enrollment turns away as
another scan, with each number of references that thresholds were made for.

Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from sigvault.datasets import read_layout
from sigvault.domain.copies import copy_limit_for
from sigvault.domain.embedding import Embedding
from sigvault.domain.image import SignatureImage
from sigvault.domain.local_blocks import match_local_block
from sigvault.embedding.card import bundled_model
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.imaging.decode import decode_file
from sigvault.imaging.preprocessing import read_preprocessing
from sigvault.services.repeated_scans import turned_away_from

TURNS = (-1.6, -0.8, 0.8, 1.6)
NOISE = 4.0


def main() -> int:
    """Embed, compare, count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--signers", type=int, default=8)
    parser.add_argument("--model", type=Path, default=bundled_model())
    chosen = parser.parse_args()
    embedder = TorchEmbedder(chosen.model)
    recipe = read_preprocessing(embedder.card.preprocessing)
    rng = np.random.default_rng(0)

    def embed(pictures: list[SignatureImage]) -> list[Embedding]:
        inks = [recipe.prepare(picture).ink for picture in pictures]
        return embedder.embed(inks, as_references=True)

    dataset = read_layout(chosen.dataset)
    signers = dataset.signers[:: max(1, len(dataset.signers) // chosen.signers)][: chosen.signers]
    separate: list[float] = []
    scans: list[float] = []
    for signer in signers:
        own = [one.path for one in dataset.specimens if one.signer == signer and one.genuine]
        pictures = [decode_file(path) for path in own]
        embeddings = embed(pictures)
        again = embed([scan(pictures[0], turn, rng) for turn in TURNS])
        scores = match_local_block([e.local for e in embeddings], [e.level for e in embeddings])
        separate += scores[np.triu_indices(len(embeddings), 1)].tolist()
        first = match_local_block([embeddings[0].local], [each.level for each in again])
        scans += first[0].tolist()
    write(f"{len(signers)} signers; local scores: separate signings up to {max(separate):.3f}, ")
    write(f"scans from {min(scans):.3f} to {max(scans):.3f}.\n\n")
    write(
        "| References | turned away from | of separate signings | of scans |\n|---|---|---|---|\n"
    )
    for threshold in embedder.card.thresholds:
        limit = copy_limit_for(embedder.card.thresholds, threshold.references)
        if limit is None:
            continue
        bar = turned_away_from(limit)
        counts = [f"{sum(s >= bar for s in some)} of {len(some)}" for some in (separate, scans)]
        write(f"| {threshold.references} | {bar:.3f} | {' | '.join(counts)} |\n")
    return 0


def scan(picture: SignatureImage, degrees: float, rng: np.random.Generator) -> SignatureImage:
    """The same signature on the glass once more, a little askew."""
    paper = int(np.median(picture.pixels))
    turned = Image.fromarray(picture.pixels).rotate(
        degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=paper
    )
    grey = np.asarray(turned, np.float64)
    noisy = np.clip(grey + rng.normal(0.0, NOISE, grey.shape), 0, 255)
    return replace(picture, pixels=noisy.astype(np.uint8))


def write(text: str) -> None:
    """To standard output, at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
