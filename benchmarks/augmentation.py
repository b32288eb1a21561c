"""Which augmentations help, and what they cost: short equal runs that differ in nothing else.

Run: ``python benchmarks/augmentation.py --data DIR [--out runs/augmentation] [--minutes 30]``

DIR holds ``cedar``, ``sigcomp2011_dutch`` and the ImageNet stem that configs/heads starts from.
Every variant is trained for the same number of batches from the same weights, on the same signers
and in the same order, and validated with signers that it isn't trained on; a fifth of the signers
is held out throughout and never looked at, so that defaults can be chosen here and measured there.
Prints a Markdown table of validation EERs in percent over single pairs. Interrupted or out of time,
it says what is missing; the same command carries on. One thread; give it one core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from sigvault.datasets import Layout
from sigvault.training.augmentation.augmenter import Augmenter
from sigvault.training.augmentation.settings import Augmentation
from sigvault.training.config import (
    Batch,
    BatchNormStart,
    DataSource,
    Optimisation,
    Split,
    Start,
    TrainingConfig,
)
from sigvault.training.loop import MODEL_FOLDER, train

NONE = Augmentation(
    rotation=0, translation=0, scale=0, shear=0, crop=(1, 1), elastic=0, stroke_width=0, gaps=0,
    erase=0,
)  # fmt: skip
AFFINE = replace(NONE, rotation=4, translation=0.03, scale=0.08, shear=5)
VARIANTS = {
    "none": NONE,
    "affine": AFFINE,
    "affine, resized crop": replace(AFFINE, crop=(0.9, 1.05)),
    "affine, elastic": replace(AFFINE, elastic=3.0),
    "affine, stroke width": replace(AFFINE, stroke_width=0.5),
    "affine, missing strokes": replace(AFFINE, gaps=0.3, erase=0.2),
    "all": replace(
        AFFINE, crop=(0.9, 1.05), elastic=3.0, stroke_width=0.5, gaps=0.3, erase=0.2
    ),
}  # fmt: skip
ERRORS = ("skilled", "random", "local_skilled", "local_random")


def main() -> int:
    """Train what is missing, as long as there is time, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/augmentation"))
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43])
    parser.add_argument("--minutes", type=float, default=30, help="start no run after this")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    started = time.monotonic()
    for seed in chosen.seeds:
        for name, augmentation in VARIANTS.items():
            run = run_folder(chosen.out, name, chosen.batches, seed)
            late = time.monotonic() - started > 60 * chosen.minutes
            if late or (run / MODEL_FOLDER / "card.json").is_file():
                continue
            sys.stderr.write(f"{name}, seed {seed}\n")
            train(configuration(augmentation, chosen.batches, seed), chosen.data, run)
    sys.stdout.write("\n".join(table(chosen.out, chosen.batches, chosen.seeds)) + "\n")
    return 0


def configuration(augmentation: Augmentation, batches: int, seed: int) -> TrainingConfig:
    """One run; nothing but the augmentation and the seed differ between two of them."""
    return TrainingConfig(
        name="augmentation",
        licence="for comparison alone",
        data=(
            DataSource("cedar", Layout.CEDAR, "research use"),
            DataSource("sigcomp2011_dutch", Layout.SIGCOMP2011, "research use"),
        ),
        start=Start(
            checkpoint="resnet18_imagenet_stem_to_layer3.pt", batch_norm=BatchNormStart.RE_ESTIMATE
        ),
        split=Split(folds=5, fold=0, validation_share=0.35, seed=42),
        batch=Batch(signers=8, genuine=3, forged=3, per_epoch=batches),
        augmentation=augmentation,
        optimisation=Optimisation(epochs=1, learning_rate=6e-4),
        seed=seed,
    )


def run_folder(out: Path, name: str, batches: int, seed: int) -> Path:
    """Where a run is kept; all share the cache beside them."""
    return out / f"{name.replace(', ', '-').replace(' ', '-')}-{batches}-{seed}"


def table(out: Path, batches: int, seeds: Sequence[int]) -> list[str]:
    """Means over the seeds that are done, one line a variant."""
    lines = [
        "| Augmentation | ms an image | runs | skilled | random | local, skilled | local, random |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, augmentation in VARIANTS.items():
        runs = [run_folder(out, name, batches, seed) for seed in seeds]
        done = [errors(run) for run in runs if (run / MODEL_FOLDER / "card.json").is_file()]
        means = [f"{100 * value:.2f}" for value in np.mean(done, axis=0)] if done else ["-"] * 4
        cells = [name, f"{milliseconds(augmentation):.2f}", str(len(done)), *means]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def errors(run: Path) -> list[float]:
    """The validation errors after the last epoch, shares."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    epochs = [entry for entry in map(json.loads, lines) if "skilled" in entry]
    return [epochs[-1][kind] for kind in ERRORS]


def milliseconds(augmentation: Augmentation, turns: int = 10) -> float:
    """Median processor time an image, in batches of 48 on one thread."""
    augment, ink, times = Augmenter(augmentation), drawn_ink(48), []
    for turn in range(turns):
        seeds = range(48 * turn, 48 * (turn + 1))
        began = time.process_time()
        augment(ink, seeds)
        times.append(1000 * (time.process_time() - began) / len(ink))
    return float(np.median(times))


def drawn_ink(count: int) -> npt.NDArray[np.uint8]:
    """Looped strokes about as dense as a signature's, uint8 (count, 128, 208)."""
    turn = np.linspace(0, 14 * np.pi, 4000)
    rows = (64 + 45 * np.cos(turn) * np.cos(turn / 9)).astype(int)
    columns = (15 + 175 * turn / turn[-1] + 4 * np.sin(turn)).astype(int)
    picture = np.zeros((128, 208), np.uint8)
    for down in (0, 1, 2):
        picture[rows + down, columns] = 255
    return np.repeat(picture[None], count, axis=0)


if __name__ == "__main__":
    sys.exit(main())
