"""The seed notebook's recipe as it stands, and what each correction does to the figures.

Run: ``python benchmarks/notebook_recipe.py DATA OUT [--epochs 6] [--variants notebook,...]``

DATA holds ``cedar`` and ``resnet18_imagenet_stem_to_layer3.pt``. Each variant trains the same
ResNet-18 on the same CEDAR signers (the notebook's own split) and is scored on the same others.
Vectors of the scored images are kept in OUT, and what is there is not made again: interrupted, the
command goes on with the first variant that is missing. It ends with ``table.md`` and
``table.json`` over all variants that OUT holds.

This is the one place where a forgery may carry its signer's label: a training configuration of
the package can't say it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from pytorch_metric_learning.losses import MultiSimilarityLoss, TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import OneCycleLR
from torchvision.transforms import v2

from sigvault.datasets import Specimen, read_layout
from sigvault.domain.embedding import Embedding
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.embedding.architecture import Architecture, Head
from sigvault.embedding.card import bundled_model
from sigvault.embedding.checkpoint import load_model
from sigvault.embedding.network import EmbeddingNetwork
from sigvault.evaluation.error_rates import equal_error_rate
from sigvault.evaluation.notebook_protocol import notebook_split, run_notebook_protocol
from sigvault.evaluation.protocols import (
    EvaluationSigner,
    Kind,
    apply_fusion,
    compare_pairs,
    draw_comparisons,
    scores_by_signer,
)
from sigvault.evaluation.session_test import run_session_test
from sigvault.imaging.decode import decode_file
from sigvault.imaging.preprocessing import Preprocessing, Recipe, read_preprocessing
from sigvault.training.warm_start import batch_norms, re_estimate, settle_batch_norm, start_from

STEM = "resnet18_imagenet_stem_to_layer3.pt"
SEED = 42
BATCH = 64
BUNDLED = "bundled"
NOTEBOOK_EPOCHS = 150
COSINE_ALONE = FusionRule(top=3, local_weight=0.0, cosine_spread=0.0, local_spread=0.0)

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Variant:
    """One rung: what the network sees, how batches are made, and what it learns by.

    Attributes:
        title: what the table calls it.
        picture: ``stretched`` or ``raw`` (grey as scanned, every leak kept) or ``ink``.
        size: the canvas, (height, width).
        forgeries_are_the_signer: label forgeries with the signer that they imitate.
        sampler: ``random`` images, or ``pkf``: 8 signers x (4 genuine + 4 forged).
        head: how pooled features become a vector.
        one_cycle: step the OneCycle schedule that the notebook builds and never steps.
        own_recipe: sigvault's pooled grid, multi-similarity and AdamW in place of the notebook's
            extra blocks, batch-hard triplets with diversity and Adam.
        patience: run for the notebook's own 150 epochs instead of ``--epochs``, unless so many
            epochs in a row bring no lower loss, and keep the epoch with the lowest; None: the last.
    """

    title: str
    picture: str = "ink"
    size: tuple[int, int] = (128, 208)
    forgeries_are_the_signer: bool = False
    sampler: str = "pkf"
    head: Head = Head.NORMED_LINEAR
    one_cycle: bool = True
    own_recipe: bool = False
    patience: int | None = None


_NOTEBOOK = Variant(
    "the notebook as it stands", "stretched", (224, 224), True, "random", Head.ONE_ORTHANT, False
)
_NEGATIVES = replace(
    _NOTEBOOK, title="+ forgeries as negatives", forgeries_are_the_signer=False, sampler="pkf"
)
_INK = replace(_NEGATIVES, title="+ ink alone, not stretched", picture="ink", size=(128, 208))
_SIGNED = replace(_INK, title="+ no ReLU before the norm", head=Head.NORMED_LINEAR)
_STEPPED = replace(_SIGNED, title="+ OneCycle stepped", one_cycle=True)
_OWN = Variant(
    "+ 2x3 grid, multi-similarity (sigvault's recipe)", head=Head.LINEAR, own_recipe=True
)

VARIANTS = {
    "notebook": _NOTEBOOK,
    "notebook-whole": replace(_NOTEBOOK, title="the notebook, trained to its end", patience=10),
    "negatives": _NEGATIVES,
    "ink": _INK,
    "signed": _SIGNED,
    "stepped": _STEPPED,
    "sigvault": _OWN,
    "raw-trap": replace(_OWN, title="the trap: sigvault's recipe on raw grey", picture="raw"),
}
DEFAULT_VARIANTS = [*(name for name in VARIANTS if name != "notebook-whole"), BUNDLED]


def main() -> int:
    """Train what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--variants", default=",".join(DEFAULT_VARIANTS))
    parser.add_argument("--float32", action="store_true", help="train without bfloat16")
    parser.add_argument(
        "--at-most",
        type=int,
        default=NOTEBOOK_EPOCHS,
        metavar="EPOCHS",
        help="end notebook-whole after so many epochs, for want of time",
    )
    chosen = parser.parse_args()
    names = chosen.variants.split(",")
    if unknown := sorted(set(names) - {*VARIANTS, BUNDLED}):
        parser.error(f"no variant {', '.join(unknown)}: use {', '.join([*VARIANTS, BUNDLED])}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    settings = {"epochs": chosen.epochs, "bfloat16": not chosen.float32, "seed": SEED}
    for name in names:
        kept = chosen.out / f"{name}.npz"
        if kept.is_file():
            continue
        whole = name in VARIANTS and VARIANTS[name].patience is not None
        epochs = chosen.at_most if whole else chosen.epochs
        note(f"{name}: {epochs} epochs")
        began = time.monotonic()
        make(name, chosen.data, kept, epochs, bfloat16=not chosen.float32)
        note(f"{name}: {(time.monotonic() - began) / 60:.1f} minutes")
        write_table(chosen.out, settings)
    write_table(chosen.out, settings)
    return 0


def note(text: str) -> None:
    """One line to standard error."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


# ------------------------------------------------------------------------------------ pictures


@dataclass(frozen=True, eq=False)
class Pictures:
    """Signatures of some signers.

    Attributes:
        images: uint8 (N, H, W), 255 = ink or black.
        signer: int64 (N,): the signers' numbers.
        forged: bool (N,).
    """

    images: Images
    signer: npt.NDArray[np.int64]
    forged: npt.NDArray[np.bool_]


def prepare(
    specimens: Sequence[Specimen],
    picture: str,
    size: tuple[int, int],
    recipe: Recipe | None = None,
) -> Pictures:
    """Decode pictures and put them on the canvas, harmonised or with every leak kept."""
    ink = recipe or Preprocessing(height=size[0], width=size[1])
    images = []
    for specimen in specimens:
        decoded = decode_file(specimen.path)
        if picture == "ink":
            images.append(np.rint(ink.prepare(decoded).ink.ink * 255).astype(np.uint8))
        elif picture == "stretched":
            grey = Image.fromarray(decoded.pixels).resize(size[::-1], Image.Resampling.BILINEAR)
            images.append(255 - np.asarray(grey, np.uint8))
        else:
            images.append(255 - fit_grey(decoded.pixels, size))
    return Pictures(
        np.stack(images),
        np.array([int(s.signer) for s in specimens]),
        np.array([not s.genuine for s in specimens]),
    )


def fit_grey(pixels: Images, size: tuple[int, int]) -> Images:
    """Grey as scanned, fitted to the canvas, the rest filled with its own median paper."""
    scale = min(size[0] / pixels.shape[0], size[1] / pixels.shape[1])
    height, width = (max(1, round(side * scale)) for side in pixels.shape)
    canvas = np.full(size, int(np.median(pixels)), np.uint8)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    fitted = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
    canvas[top : top + height, left : left + width] = np.asarray(fitted, np.uint8)
    return canvas


# ------------------------------------------------------------------------------------ training


def make(name: str, data: Path, kept: Path, epochs: int, *, bfloat16: bool) -> None:
    """Train one variant and keep the vectors of the test signers' images."""
    dataset = read_layout(data / "cedar")
    training, test = (set(part) for part in notebook_split(dataset.signers))
    taught: Recipe | None = None
    if name == BUNDLED:
        network, card = load_model(bundled_model())
        taught = read_preprocessing(card.preprocessing)
        canvas = (taught.height, taught.width)
        variant = Variant("the bundled model, which never saw CEDAR", size=canvas)
    else:
        variant = VARIANTS[name]
        seen = [s for s in dataset.specimens if s.signer in training]
        pictures = prepare(seen, variant.picture, variant.size)
        progress = Progress(kept.with_suffix(".state"), variant.patience)
        network = train(variant, pictures, data / STEM, epochs, progress, bfloat16=bfloat16)
    scored = prepare(
        [s for s in dataset.specimens if s.signer in test], variant.picture, variant.size, taught
    )
    partial_file = kept.with_suffix(".tmp")
    with partial_file.open("wb") as file:
        np.savez(
            file,
            vectors=embed(network, scored.images),
            signer=scored.signer,
            forged=scored.forged,
            title=np.array(variant.title),
        )
    partial_file.replace(kept)


def architecture_of(variant: Variant) -> Architecture:
    """The notebook's network, or sigvault's."""
    height, width = variant.size
    if variant.own_recipe:
        return Architecture(head=variant.head, height=height, width=width)
    return Architecture(
        extra_widths=(512, 256),
        pool_rows=1,
        pool_columns=1,
        head=variant.head,
        dropout=0.3,
        height=height,
        width=width,
    )


class Progress:
    """Early stopping by the training loss, as the notebook has it, and a state to go on from."""

    def __init__(self, file: Path, patience: int | None) -> None:
        """Keep the state in a file where there is a patience, else nowhere."""
        self.file, self.patience = file, patience
        self.epoch, self.best, self.waited = 0, float("inf"), 0

    @property
    def stopped(self) -> bool:
        """Whether too many epochs brought nothing."""
        return self.patience is not None and self.waited >= self.patience

    def restore(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Go on where the file ends, if there is one."""
        if self.patience is None or not self.file.is_file():
            return
        state = torch.load(self.file, weights_only=True)  # noqa: TID251 - its own file
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        self.epoch, self.best, self.waited = state["epoch"], state["best"], state["waited"]
        note(f"  goes on after epoch {self.epoch}, the lowest loss so far is {self.best:.4f}")

    def end_epoch(self, network: nn.Module, optimiser: torch.optim.Optimizer, loss: float) -> None:
        """Note an epoch's mean loss, and keep the weights where it is the lowest."""
        self.epoch += 1
        if self.patience is None:
            return
        self.waited = 0 if loss < self.best else self.waited + 1
        if loss < self.best:
            self.best = loss
            self._write(network.state_dict(), self.file.with_suffix(".best"))
        state = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
        counts = {"epoch": self.epoch, "best": self.best, "waited": self.waited}
        self._write(state | counts, self.file)

    def take_best(self, network: nn.Module) -> None:
        """Give the network the weights of the lowest loss."""
        if self.patience is not None:
            best = torch.load(self.file.with_suffix(".best"), weights_only=True)  # noqa: TID251
            network.load_state_dict(best)

    @staticmethod
    def _write(state: dict[str, Any], file: Path) -> None:
        beside = file.with_name(f"{file.name}.new")
        torch.save(state, beside)  # noqa: TID251 - read by this file alone
        beside.replace(file)


def train(
    variant: Variant,
    pictures: Pictures,
    stem: Path,
    epochs: int,
    progress: Progress,
    *,
    bfloat16: bool,
) -> EmbeddingNetwork:
    """A small loop of its own: the package's would refuse the notebook's labels."""
    torch.manual_seed(SEED)
    network = EmbeddingNetwork(architecture_of(variant))
    taken = start_from(network, stem).taken
    rows = np.random.default_rng(SEED).permutation(len(pictures.images))
    blocks = [to_tensor(pictures.images[part]) for part in np.array_split(rows[:256], 8)]
    re_estimate(network, batch_norms(network, taken), blocks)
    network = network.to(memory_format=torch.channels_last)
    steps = len(list(batches(variant, pictures, 0)))
    optimiser, schedule = optimisation(variant, network, steps * epochs)
    progress.restore(network, optimiser)
    while progress.epoch < epochs and not progress.stopped:
        epoch = progress.epoch
        torch.manual_seed(SEED * 100_003 + epoch)
        network.train()
        began, total = time.monotonic(), 0.0
        for chosen in batches(variant, pictures, epoch):
            ink = augment(to_tensor(pictures.images[chosen]), variant)
            with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
                vectors = network(ink.to(memory_format=torch.channels_last)).vector
            value = loss_of(variant, vectors, pictures.signer[chosen], pictures.forged[chosen])
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(value)
            nn.utils.clip_grad_norm_(network.parameters(), 5.0 if variant.own_recipe else 1.0)
            optimiser.step()
            if schedule is not None:
                schedule.step()
            total += float(value.detach())
        rate = steps * BATCH / (time.monotonic() - began)
        note(f"  epoch {epoch + 1}: loss {total / steps:.4f}, {rate:.1f} images/s")
        progress.end_epoch(network, optimiser, total / steps)
    progress.take_best(network)
    if variant.own_recipe:
        settle_batch_norm(
            network, [], [to_tensor(pictures.images[p]) for p in np.array_split(rows[:1024], 16)]
        )
    return network.eval()


def optimisation(
    variant: Variant, network: EmbeddingNetwork, steps: int
) -> tuple[torch.optim.Optimizer, OneCycleLR | None]:
    """Adam 1e-3 as in the notebook, or AdamW 6e-4; stepped or left as it is."""
    if variant.own_recipe:
        own = torch.optim.AdamW(network.parameters(), lr=6e-4, weight_decay=1e-4)
        return own, OneCycleLR(own, max_lr=6e-4, total_steps=steps, pct_start=0.2)
    adam = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-4)
    if not variant.one_cycle:
        return adam, None
    cycle = partial(OneCycleLR, div_factor=10, final_div_factor=10_000)
    return adam, cycle(adam, max_lr=1e-3, total_steps=steps, pct_start=0.2)


def batches(variant: Variant, pictures: Pictures, epoch: int) -> Iterator[npt.NDArray[np.int64]]:
    """One epoch, as many batches of 64 for every variant; 56 where a signer would come twice."""
    rng = np.random.default_rng((SEED, epoch))
    count = len(pictures.images) // BATCH
    if variant.sampler == "random":
        yield from rng.permutation(len(pictures.images))[: count * BATCH].reshape(count, BATCH)
        return
    signers = np.unique(pictures.signer)
    turns = [rng.permutation(signers) for _ in range(count * 8 // len(signers) + 1)]
    drawn = np.concatenate(turns)[: count * 8].reshape(count, 8)
    for eight in drawn:
        pools = [
            np.flatnonzero((pictures.signer == signer) & (pictures.forged == forged))
            for signer in np.unique(eight)
            for forged in (False, True)
        ]
        yield np.concatenate([rng.permutation(pool)[:4] for pool in pools])


def augment(ink: Tensor, variant: Variant) -> Tensor:
    """The notebook's affine and crop on each image, or sigvault's affine and stroke width."""
    if not variant.own_recipe:
        affine = v2.RandomAffine(0, translate=(0.05, 0.05), scale=(0.95, 1.05), shear=5)
        size = list(ink.shape[2:])
        shape = size[1] / size[0]
        crop = v2.RandomResizedCrop(
            size, scale=(0.9, 1.05), ratio=(0.95 * shape, 1.05 * shape), antialias=True
        )
        return torch.stack([crop(affine(picture)) for picture in ink])
    affine = v2.RandomAffine(
        4,
        translate=(0.03, 0.03),
        scale=(0.92, 1.08),
        shear=5,
        interpolation=v2.InterpolationMode.BILINEAR,
    )
    return torch.stack([stroke_width(affine(picture)) for picture in ink])


def stroke_width(ink: Tensor) -> Tensor:
    """Half of the images with strokes a little thinner or thicker."""
    share, chance = torch.rand(2).tolist()
    if chance < 0.5:
        return ink
    sign = 1.0 if chance < 0.75 else -1.0
    return torch.lerp(ink, sign * functional.max_pool2d(sign * ink, 3, stride=1, padding=1), share)


def loss_of(
    variant: Variant,
    vectors: Tensor,
    signer: npt.NDArray[np.int64],
    forged: npt.NDArray[np.bool_],
) -> Tensor:
    """Batch-hard triplets with diversity, or multi-similarity."""
    labels = torch.from_numpy(signer)
    if not variant.forgeries_are_the_signer:
        own_class = -1 - torch.arange(len(signer))  # a forgery is mated with nothing
        labels = torch.where(torch.from_numpy(forged), own_class, labels)
    if variant.own_recipe:
        genuine = torch.from_numpy(~forged)
        same = labels[:, None] == labels[None, :]
        mated = same & ~torch.eye(len(labels), dtype=torch.bool)
        negative = ~same & genuine[:, None]
        pairs = (*mated.nonzero(as_tuple=True), *negative.nonzero(as_tuple=True))
        own = MultiSimilarityLoss(2.0, 40.0, 0.5, distance=CosineSimilarity())
        result: Tensor = own(vectors, labels, indices_tuple=pairs)
        return result
    distance = LpDistance(normalize_embeddings=False, p=2, power=1)
    mined = BatchHardMiner(distance=distance)(vectors, labels)
    triplet = TripletMarginLoss(0.5, distance=distance, reducer=MeanReducer())
    gram = vectors @ vectors.T - torch.eye(len(vectors))
    diversity = gram.square().sum() / (len(vectors) * (len(vectors) - 1))
    loss: Tensor = triplet(vectors, labels, indices_tuple=mined) + 0.1 * diversity
    return loss


def to_tensor(images: Images) -> Tensor:
    """uint8 (B, H, W) to float32 (B, 1, H, W) in [0, 1]."""
    return torch.from_numpy(images[:, None].astype(np.float32) / 255.0)


def embed(network: EmbeddingNetwork, images: Images) -> npt.NDArray[np.float32]:
    """Unit vectors (N, D), in float32 whatever the training was in."""
    network.eval()
    with torch.inference_mode():
        parts = [network(to_tensor(images[k : k + 32])).vector for k in range(0, len(images), 32)]
    return torch.cat(parts).numpy()


# ------------------------------------------------------------------------------------- scoring


def read_signers(kept: Path) -> tuple[str, list[EvaluationSigner]]:
    """A variant's title and its test signers; without local features, which are not compared."""
    with np.load(kept, allow_pickle=False) as found:
        vectors, signer, forged = found["vectors"], found["signer"], found["forged"]
        title = str(found["title"])
    empty = np.zeros((1, 1, 1), np.int8)

    def of(number: int, *, fake: bool) -> tuple[Embedding, ...]:
        rows = np.flatnonzero((signer == number) & (forged == fake))
        return tuple(Embedding(vectors[row], empty, ModelId(kept.stem)) for row in rows)

    return title, [
        EvaluationSigner(SignerId(str(n)), of(n, fake=False), of(n, fake=True))
        for n in np.unique(signer).tolist()
    ]


def score(kept: Path) -> dict[str, Any]:
    """Every figure of one variant."""
    title, signers = read_signers(kept)
    pairs = compare_pairs(signers, seed=SEED)
    rates = {}
    for references in (1, 5):
        scores = draw_comparisons(pairs, references, seed=SEED)
        fused = apply_fusion(scores, COSINE_ALONE)
        for kind in (Kind.SKILLED, Kind.RANDOM):
            rate = equal_error_rate(scores_by_signer(scores, fused, kind), seed=SEED).rate
            rates[f"{kind.name.lower()}_{references}"] = asdict(rate)
    session = run_session_test(signers, seed=SEED)
    return {
        "variant": kept.stem,
        "title": title,
        "signers": [own.signer for own in signers],
        "eer": rates,
        "session": session.cosine,
        "session_passed": abs(session.cosine - 0.5) <= 0.03,
        "notebook": asdict(run_notebook_protocol(signers, seed=SEED)),
    }


def write_table(out: Path, settings: dict[str, Any]) -> None:
    """Markdown and JSON over all variants that are there, in the order of the ladder."""
    found = [out / f"{name}.npz" for name in (*VARIANTS, BUNDLED)]
    results = [score(kept) for kept in found if kept.is_file()]
    if not results:
        return
    document = {"settings": settings, "results": results}
    (out / "table.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    columns = ("skilled_1", "skilled_5", "random_1", "random_5")
    lines = [
        f"EER %, {len(results[0]['signers'])} CEDAR signers that no row was trained on, cosine "
        "alone, mean of the best three references; 95 % intervals over signers. "
        f"{settings['epochs']} epochs, {'bfloat16' if settings['bfloat16'] else 'float32'}, "
        f"seed {settings['seed']}, one run each.",
        "",
        "| Recipe | skilled R=1 | skilled R=5 | random R=1 | random R=5 | session test | "
        "notebook's EER | notebook's accuracy |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        cells = [percent(one["eer"][name]) for name in columns]
        cells.append(f"{one['session']:.2f}{'' if one['session_passed'] else ' FAILS'}")
        cells += [percent(one["notebook"][name]) for name in ("eer", "accuracy")]
        lines.append(f"| {one['title']} | {' | '.join(cells)} |")
    lines += ["", f"The last two columns: {results[0]['notebook']['caveat']}", ""]
    (out / "table.md").write_text("\n".join(lines), encoding="utf-8")


def percent(rate: dict[str, float]) -> str:
    """A rate with its interval."""
    return f"{100 * rate['value']:.1f} ({100 * rate['low']:.1f}–{100 * rate['high']:.1f})"


if __name__ == "__main__":
    raise SystemExit(main())
