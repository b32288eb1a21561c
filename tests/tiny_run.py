"""A data set and a configuration that train in a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from sigvault.datasets import Layout
from sigvault.embedding.architecture import Architecture
from sigvault.imaging.preprocessing import Preprocessing
from sigvault.training.config import Batch, DataSource, Optimisation, Split, TrainingConfig

SMALL = Preprocessing(height=32, width=48, margin=1)
ARCHITECTURE = Architecture(height=32, width=48, dimension=8, local_channels=4)
CONFIG = TrainingConfig(
    name="tiny",
    data=(DataSource("signers", Layout.FOLDERS, "made up"),),
    licence="none",
    architecture=ARCHITECTURE,
    split=Split(folds=3, fold=1, validation_share=0.25, seed=3),
    batch=Batch(signers=2, genuine=3, forged=2),
    optimisation=Optimisation(epochs=3, learning_rate=1e-3, precision="float32"),
)


def draw_signers(root: Path) -> Path:
    """Six signers, each with a shape of their own; forgeries are that shape, shaken."""
    generator = np.random.default_rng(5)
    for signer in range(6):
        shape = generator.uniform(40, 260, size=(9, 2))
        for kind, count, shake in (("genuine", 5, 4), ("forged", 3, 12)):
            folder = root / "signers" / kind / f"s{signer}"
            folder.mkdir(parents=True)
            for number in range(count):
                page = Image.new("L", (300, 300), 245)
                points = shape + generator.normal(0, shake, shape.shape)
                ImageDraw.Draw(page).line([tuple(p) for p in points.tolist()], fill=30, width=4)
                page.save(folder / f"{number}.png")
    return root
