"""What an image costs a model and a reference costs its comparison, beside ResNet-18 at 224 x 224.

Run: ``python benchmarks/model_cost.py [--model DIR ...] [--turns 40]``

Without ``--model`` it measures the bundled model. Prints a Markdown table: milliseconds of
processor time on one thread, medians, a synthetic signature a turn. Contenders take turns, so that
what slows the machine slows them all; the ratios, of a probe and of a reference with all its views
of local features, are what to quote. The baseline is torchvision's
ResNet-18 on an image of 3 x 224 x 224. Preparing the picture is not part of the ratio. The
comparison is that of vectors and local features with a gallery of ten whose spread is known, a
tenth of it; inked cells and what a vault stores of them are means.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
import torch
from torchvision.models import resnet18

from sigvault.domain.comparison import compare
from sigvault.domain.embedding import Embedding
from sigvault.domain.fusion import FusionRule
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ReferenceId, SignerId
from sigvault.domain.image import SignatureImage
from sigvault.embedding.card import bundled_model
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.imaging.preprocessing import read_preprocessing
from sigvault.storage.vector_codec import encode_local
from sigvault.synthesis.rendering import render_genuine
from sigvault.synthesis.signer import generate_signer

REFERENCES = 10
SIDE = 224


def main() -> int:
    """Time every model in turns with the baseline and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, action="append")
    parser.add_argument("--turns", type=int, default=40)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    write(
        "| Model | Canvas | prepare, ms | embed a probe, ms | embed a reference, ms"
        " | ResNet-18 at 224 x 224, ms | ratios | compare, ms a reference | inked cells"
        " | local features, bytes |"
    )
    write("|---|---|---|---|---|---|---|---|---|---|")
    for folder in chosen.model or [bundled_model()]:
        write(row(folder, chosen.turns))
    return 0


def write(line: str) -> None:
    """One line to standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def row(folder: Path, turns: int) -> str:
    """One model's line of the table."""
    embedder = TorchEmbedder(folder)
    recipe = read_preprocessing(embedder.card.preprocessing)
    baseline = resnet18().eval()
    image = torch.zeros(1, 3, SIDE, SIDE)
    scans = [picture(turn) for turn in range(turns + REFERENCES)]
    inks = [recipe.prepare(scan).ink for scan in scans]
    gallery = gallery_of(embedder.embed(inks[turns:], as_references=True))
    spent: dict[str, list[float]] = {
        name: [] for name in ("prepare", "probe", "reference", "baseline", "compare")
    }
    inked, stored = [], []
    for scan, ink in zip(scans[:turns], inks, strict=False):
        timed(spent["prepare"], partial(recipe.prepare, scan))
        (probe,) = timed(spent["probe"], partial(embedder.embed, [ink]))
        (reference,) = timed(spent["reference"], partial(embedder.embed, [ink], as_references=True))
        timed(spent["baseline"], partial(classify, baseline, image))
        timed(spent["compare"], partial(compare, probe, gallery, FusionRule()))
        inked.append(int(probe.local.any(axis=-1).sum()))
        stored.append(len(encode_local(reference.local)[1]))
    prepare, embed, enroll, resnet, comparison = (median(times) for times in spent.values())
    height, width = inks[0].ink.shape
    return (
        f"| {embedder.model} | {height} x {width} | {prepare:.1f} | {embed:.1f} | {enroll:.1f}"
        f" | {resnet:.1f} | {embed / resnet:.2f}, {enroll / resnet:.2f}"
        f" | {comparison / REFERENCES:.2f} | {np.mean(inked):.0f} | {np.mean(stored):.0f} |"
    )


Result = TypeVar("Result")


def timed(times: list[float], work: Callable[[], Result]) -> Result:
    """What the work gives; its milliseconds of processor time are added to the times."""
    started = time.process_time()
    result = work()
    times.append(1000 * (time.process_time() - started))
    return result


def classify(baseline: torch.nn.Module, image: torch.Tensor) -> torch.Tensor:
    """One forward pass."""
    with torch.inference_mode():
        result: torch.Tensor = baseline(image)
    return result


def picture(number: int) -> SignatureImage:
    """The scan of a signature, another signer's for every number."""
    pixels = render_genuine(generate_signer(0, number + 1), 1)
    height, width = pixels.shape
    return SignatureImage(pixels, f"{number:064x}", width, height)


def gallery_of(embeddings: list[Embedding]) -> Gallery:
    """A gallery whose spread has been worked out."""
    references = [
        Reference(ReferenceId(str(number)), embedding)
        for number, embedding in enumerate(embeddings)
    ]
    gallery = Gallery(SignerId("1"), GenerationId(1), tuple(references))
    if gallery.spread is None:
        raise RuntimeError("a gallery of ten references has a spread")
    return gallery


if __name__ == "__main__":
    sys.exit(main())
