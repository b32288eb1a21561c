"""Losses, heads, canvas sizes, backbones, starts, augmentation and data: one change at a time.

Run: ``python benchmarks/model_study.py DATA OUT [--groups losses,heads] [--batches 100]
[--bfloat16]``

DATA holds ``trajectories`` (``scripts/render_trajectories``) and
``resnet18_imagenet_stem_to_layer3.pt``. Every variant is trained on the same signers for as many
batches from the same seed, and differs from the base in what its name says and nothing else; a
fifth of the signers, whom none was trained on, says what it is worth: skilled and random EER by the
vector and by the local score, and the difference from the base with an interval that resamples
signers. The base is trained with two further seeds as well: a difference
that a seed makes is none.

What each source of training data is worth (group ``sources``), and how much of it there is and for
how long it is trained on (``amounts``), takes DATA's ``crossmedia_chinese``,
``cedar``, ``sigcomp2011_dutch`` and ``varied-3`` (docs/model.md says how it is made), too. Those
validation signers are of one of the sources, so all signers of the two sets of scans say it as
well, for models that were not trained on them.

Some backbones are timm's (``pip install timm``, not needed otherwise); backbones are compared from
random weights, all of them.

What is in OUT is not trained again, and a run that was stopped carries on. Ends with ``table.md``
and ``table.json`` over all variants that OUT holds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sigvault.datasets import Layout, read_layout
from sigvault.domain.comparison import Rate
from sigvault.domain.embedding import Embedding, pack_local
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.embedding import network as network_module
from sigvault.embedding.architecture import Architecture, Backbone, Head
from sigvault.embedding.checkpoint import load_model
from sigvault.embedding.network import EmbeddingNetwork
from sigvault.evaluation.error_rates import (
    SignerScores,
    equal_error_rate,
    paired_difference,
)
from sigvault.evaluation.protocols import (
    EvaluationSigner,
    Kind,
    apply_fusion,
    compare_pairs,
    draw_comparisons,
    scores_by_signer,
)
from sigvault.training.augmentation.settings import Augmentation, NewSigners
from sigvault.training.config import (
    Batch,
    BatchNormStart,
    DataSource,
    Optimisation,
    Split,
    Start,
    TrainingConfig,
)
from sigvault.training.datasets import InkSet, load_ink
from sigvault.training.ink_pool import InkPool
from sigvault.training.loop import CACHE_FOLDER, MODEL_FOLDER, recipe_of, train
from sigvault.training.losses.settings import (
    ArcFace,
    BatchTriplet,
    ForgeryRanking,
    Loss,
    MultiSimilarity,
    SubCentreArcFace,
    SupervisedContrastive,
    TripletMargin,
    TupletMargin,
)
from sigvault.training.material import gather
from sigvault.training.splits import split_signers

STEM = Start(
    checkpoint="resnet18_imagenet_stem_to_layer3.pt", batch_norm=BatchNormStart.RE_ESTIMATE
)
VECTOR = FusionRule(top=3, local_weight=0.0, cosine_spread=0.0, local_spread=0.0)
LOCAL = FusionRule(top=3, local_weight=1.0, cosine_spread=0.0, local_spread=0.0)
BASE = "base"
FIGURES = tuple(
    (name, rule, kind, references)
    for name, rule in (("vector", VECTOR), ("local", LOCAL))
    for kind in (Kind.SKILLED, Kind.RANDOM)
    for references in (1, 5)
)
"""What the table holds: by what, which forgeries, how many references."""


@dataclass(frozen=True)
class Variant:
    """One row.

    Attributes:
        title: what the table calls it.
        config: what it is trained by, but for the number of batches.
        timm: the name of timm's backbone; None for torchvision's that is configured.
        against: the variant that it differs from in one thing.
        scans: sets of scans that say what it is worth, besides the validation signers.
        batches: how many times as many batches as the others it is trained for.
        signers: the share of the recorded signers trained on that it is trained on.
    """

    title: str
    config: TrainingConfig
    timm: str | None = None
    against: str = BASE
    scans: tuple[DataSource, ...] = ()
    batches: float = 1.0
    signers: float = 1.0


RECORDED = DataSource("trajectories", Layout.FOLDERS, "research use")
NAMES = DataSource("crossmedia_chinese", Layout.CROSSMEDIA, "MIT", validates=False)
SYNTHETIC = DataSource("varied-3", Layout.FOLDERS, "Apache-2.0", validates=False)
SCANS = (
    DataSource("cedar", Layout.CEDAR, "research use", validates=False),
    DataSource("sigcomp2011_dutch", Layout.SIGCOMP2011, "research use", validates=False),
)


def _base() -> TrainingConfig:
    return TrainingConfig(
        name="study",
        licence="for comparison alone",
        data=(RECORDED,),
        start=STEM,
        split=Split(folds=1, validation_share=0.2, seed=42),
        batch=Batch(signers=12, genuine=4, forged=3),
        optimisation=Optimisation(epochs=1, learning_rate=6e-4),
        seed=42,
    )


def variants() -> dict[str, dict[str, Variant]]:
    """All rows by group and name; each differs from the base, or from its ``against``."""
    base = _base()
    body, pen = base.architecture, base.augmentation

    def loss(chosen: Loss) -> TrainingConfig:
        return replace(base, loss=chosen)

    def shape(changed: Architecture) -> TrainingConfig:
        return replace(base, architecture=changed)

    def change(changed: Augmentation) -> TrainingConfig:
        return replace(base, augmentation=changed)

    ranked = ForgeryRanking(skilled=1.0)
    random_start = replace(base, start=Start())

    def backbone(chosen: Backbone) -> TrainingConfig:
        return replace(random_start, architecture=Architecture(backbone=chosen))

    def learned(title: str, *data: DataSource) -> Variant:
        strange = tuple(each for each in SCANS if each not in data)
        return Variant(title, replace(base, data=data), scans=strange)

    def amount(title: str, *, batches: float = 1.0, signers: float = 1.0) -> Variant:
        return Variant(title, base, scans=SCANS, batches=batches, signers=signers)

    return {
        "base": {
            BASE: Variant("multi-similarity, linear head on 2 x 3, ResNet-18", base, scans=SCANS),
            "seed-43": Variant("the same with seed 43", replace(base, seed=43)),
            "seed-44": Variant("the same with seed 44", replace(base, seed=44)),
        },
        "losses": {
            "triplet": Variant("triplets, all", loss(TripletMargin())),
            "batch-hard": Variant(
                "batch-hard triplets, cosine",
                loss(BatchTriplet(distance="cosine", margin=0.2)),
            ),
            "batch-soft": Variant(
                "batch-hard triplets, soft margin", loss(BatchTriplet(soft_margin=True))
            ),
            "contrastive": Variant("supervised contrastive", loss(SupervisedContrastive())),
            "tuplet": Variant("tuplet margin", loss(TupletMargin())),
            "arcface": Variant(
                "ArcFace, forgeries ranked", loss(ArcFace(scale=32.0, forgeries=ranked))
            ),
            "sub-centre": Variant(
                "sub-centre ArcFace, forgeries ranked",
                loss(SubCentreArcFace(scale=32.0, forgeries=ranked)),
            ),
            "ranked": Variant("+ forgeries ranked", loss(MultiSimilarity(forgeries=ranked))),
            "diversity": Variant("+ diversity 0.1", loss(MultiSimilarity(diversity=0.1))),
            "no-local": Variant(
                "without the local loss, its projection fitted",
                loss(MultiSimilarity(local_weight=0.0)),
            ),
        },
        "heads": {
            "pooled": Variant(
                "pooled to one cell", shape(replace(body, pool_rows=1, pool_columns=1))
            ),
            "fine": Variant("3 x 5 cells", shape(replace(body, pool_rows=3, pool_columns=5))),
            "normed": Variant(
                "batch norm before the linear layer", shape(replace(body, head=Head.NORMED_LINEAR))
            ),
            "orthant": Variant(
                "ReLU before the norm, as in the notebook",
                shape(replace(body, head=Head.ONE_ORTHANT)),
            ),
            "narrow": Variant("64 dimensions", shape(replace(body, dimension=64))),
            "wide": Variant("1,024 dimensions", shape(replace(body, dimension=1024))),
        },
        "canvas": {
            "small-canvas": Variant("96 x 156", shape(replace(body, height=96, width=156))),
            "large-canvas": Variant("160 x 260", shape(replace(body, height=160, width=260))),
        },
        "augmentation": {
            "plain": Variant(
                "none",
                change(
                    replace(
                        pen, rotation=0, translation=0, scale=0, shear=0, stroke_width=0, erase=0
                    )
                ),
            ),
            "no-width": Variant(
                "strokes never thinner or thicker", change(replace(pen, stroke_width=0))
            ),
            "no-erase": Variant("nothing erased", change(replace(pen, erase=0))),
            "crop": Variant(
                "+ the notebook's resized crop", change(replace(pen, crop=(0.9, 1.05)))
            ),
            "elastic": Variant("+ elastic, 3 pixels", change(replace(pen, elastic=3.0))),
            "gaps": Variant("+ gaps in strokes", change(replace(pen, gaps=0.3))),
            "new-signers": Variant(
                "+ new signers, 0.6", change(replace(pen, new_signers=NewSigners(probability=0.6)))
            ),
        },
        "starts": {
            "random": Variant("from random weights", random_start),
        },
        "backbones": {
            "resnet34": Variant("ResNet-34", backbone(Backbone.RESNET34), against="random"),
            "resnet50": Variant("ResNet-50", backbone(Backbone.RESNET50), against="random"),
            **{
                name: Variant(f"timm's {name}", random_start, timm=name, against="random")
                for name in ("resnet18d", "regnety_008", "convnext_atto")
            },
        },
        "sources": {
            "names": learned("names alone", NAMES),
            "synthetic": learned("synthetic signers alone", SYNTHETIC),
            "names-synthetic": learned("names and synthetic signers", NAMES, SYNTHETIC),
            "and-names": learned("recorded signers and names", RECORDED, NAMES),
            "and-synthetic": learned("recorded and synthetic signers", RECORDED, SYNTHETIC),
            "and-both": learned("recorded signers, names, synthetic", RECORDED, NAMES, SYNTHETIC),
            "and-scans": learned("recorded and scanned signers", RECORDED, *SCANS),
        },
        "amounts": {
            "quarter-signers": amount("a quarter of the signers", signers=0.25),
            "half-signers": amount("half of the signers", signers=0.5),
            "half-batches": amount("half as many batches", batches=0.5),
            "double-batches": amount("twice as many batches", batches=2.0),
            "four-batches": amount("four times as many batches", batches=4.0),
        },
    }


def main() -> int:
    """Train and score what is missing, then write the table."""
    groups = variants()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--groups", default=",".join(groups))
    parser.add_argument("--variants", help="these alone, by name, instead of whole groups")
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument(
        "--bfloat16", action="store_true", help="train in mixed precision, where the CPU has AMX"
    )
    chosen = parser.parse_args()
    if unknown := sorted(set(chosen.groups.split(",")) - set(groups)):
        parser.error(f"no group {', '.join(unknown)}: use {', '.join(groups)}")
    rows = {name: each for group in groups.values() for name, each in group.items()}
    wanted = {BASE, *(n for g in chosen.groups.split(",") for n in groups[g])}
    if chosen.variants is not None:
        wanted = {BASE, *chosen.variants.split(",")}
        if unknown := sorted(wanted - set(rows)):
            parser.error(f"no variant {', '.join(unknown)}: use {', '.join(rows)}")
    wanted |= {rows[name].against for name in wanted}
    for name, variant in rows.items():
        kept = chosen.out / f"{name}.npz"
        if name in wanted and not kept.is_file():
            note(f"{name}: {variant.title}")
            batches = max(1, round(variant.batches * chosen.batches))
            config = lasting(variant.config, batches, bfloat16=chosen.bfloat16)
            make(replace(variant, config=config), chosen.data, chosen.out / name, kept)
    write_table(chosen.out, groups, chosen.batches)
    return 0


def note(text: str) -> None:
    """One line to standard error."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


# ------------------------------------------------------------------------------------ training


def lasting(config: TrainingConfig, batches: int, *, bfloat16: bool) -> TrainingConfig:
    """A configuration for as many batches, in what the CPU is to compute in."""
    precision: Literal["float32", "bfloat16"] = "bfloat16" if bfloat16 else "float32"
    return replace(
        config,
        batch=replace(config.batch, per_epoch=batches),
        optimisation=replace(config.optimisation, cpu_precision=precision),
    )


def make(variant: Variant, data: Path, folder: Path, kept: Path) -> None:
    """Train a variant and keep the scores of the validation signers, and of those of scans."""
    config = variant.config
    if variant.signers < 1.0:
        config = replace(config, data=(thin_out(variant, data, folder.with_suffix(".signers")),))
    with backbone_of(variant.timm):
        train(config, data, folder)
        network = load_model(folder / MODEL_FOLDER)[0].eval()
    recipe, cache = recipe_of(config), folder.parent / CACHE_FOLDER
    # Whatever it was trained on: the base's validation signers, whom none is trained on.
    material = gather(replace(config, data=(RECORDED,)), recipe, data, cache)
    arrays = score(
        "", [(own.genuine, own.forged) for own in material.validation], material.ink, network
    )
    for source in variant.scans:
        scanned = load_ink(read_layout(data / source.path, source.layout), recipe, cache)
        arrays |= score(f"{source.path} ", rows_by_signer(scanned), scanned.ink, network)
    metrics = json.loads((folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    arrays["images_per_second"] = metrics["images_per_second"]
    arrays["parameters"] = sum(each.numel() for each in network.parameters())
    half_written = kept.with_suffix(".tmp")
    with half_written.open("wb") as file:
        np.savez(file, **arrays)
    half_written.replace(kept)


def thin_out(variant: Variant, data: Path, folder: Path) -> DataSource:
    """A share of the recorded signers that the base is trained on, as a folder of links."""
    dataset = read_layout(data / RECORDED.path, RECORDED.layout)
    trained = sorted(split_signers(dataset.signers, variant.config.split).training)
    order = np.random.default_rng(variant.config.seed).permutation(len(trained))
    kept = {trained[place] for place in order[: round(variant.signers * len(trained))]}
    for specimen in dataset.specimens:
        if specimen.signer in kept:
            kind = "genuine" if specimen.genuine else "forged"
            link = folder / kind / specimen.signer / specimen.path.name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(specimen.path.resolve())
    return replace(RECORDED, path=str(folder.resolve()), validates=False)


Rows = Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]
"""Of each signer, the pictures that are genuine and those that are forged."""


def rows_by_signer(scanned: InkSet) -> Rows:
    """Of a set of pictures."""
    owners = np.array([own.signer for own in scanned.specimens])
    genuine = np.array([own.genuine for own in scanned.specimens])
    return [
        (np.flatnonzero((owners == one) & genuine), np.flatnonzero((owners == one) & ~genuine))
        for one in np.unique(owners)
    ]


def score(
    prefix: str, rows: Rows, ink: InkPool | npt.NDArray[np.uint8], network: EmbeddingNetwork
) -> dict[str, Any]:
    """Scores of some signers by every figure, as arrays whose names start with the prefix."""
    pairs = compare_pairs(list(embed(network, rows, ink)))
    arrays: dict[str, Any] = {}
    for figure in FIGURES:
        scores = draw_comparisons(pairs, figure[3])
        found = scores_by_signer(scores, apply_fusion(scores, figure[1]), figure[2])
        key = f"{prefix}{key_of(figure)}"
        for side, values in (("mated", found.mated), ("others", found.non_mated)):
            arrays[f"{key} {side}"] = np.concatenate(values)
            arrays[f"{key} {side} counts"] = [len(own) for own in values]
        arrays[f"{key} draws"] = found.draws
    return arrays


def key_of(figure: tuple[str, FusionRule, Kind, int]) -> str:
    """What a figure is called, such as ``vector skilled R=1``."""
    name, _, kind, references = figure
    return f"{name} {kind.name.lower()} R={references}"


@torch.inference_mode()
def embed(
    network: EmbeddingNetwork, signers: Rows, ink: InkPool | npt.NDArray[np.uint8]
) -> Iterator[EvaluationSigner]:
    """The signers' embeddings."""
    for number, own in enumerate(signers):
        sides: list[tuple[Embedding, ...]] = []
        for rows in own:
            found: list[Embedding] = []
            for part in np.array_split(rows, -(-len(rows) // 64)) if len(rows) else ():
                output = network(torch.from_numpy(ink[part])[:, None].float() / 255)
                found += [
                    Embedding(vector, pack_local(local, inked), ModelId("study"))
                    for vector, local, inked in zip(
                        output.vector.numpy(),
                        output.local.numpy(),
                        output.inked.numpy(),
                        strict=True,
                    )
                ]
            sides.append(tuple(found))
        genuine, forged = sides
        yield EvaluationSigner(SignerId(str(number)), genuine, forged)


@contextmanager
def backbone_of(name: str | None) -> Iterator[None]:
    """Within it networks are built with timm's backbone instead of torchvision's.

    The package has no such seam, and needs none until a backbone is worth it.
    """
    if name is None:
        yield
        return

    def build(architecture: Architecture, weights: str | None) -> SimpleNamespace:
        del architecture, weights
        return timm_stages(name)

    with (
        patch.object(network_module, "_torchvision_backbone", build),
        patch.object(network_module, "_grey_convolution", lambda stem: stem),
        patch.object(network_module, "_output_channels", lambda stage: stage.channels),
    ):
        yield


class Stage(nn.Sequential):
    """A part of a backbone.

    Attributes:
        channels: of its output.
    """

    def __init__(self, layers: Sequence[nn.Module], channels: int) -> None:
        """Chain the layers."""
        super().__init__(*layers)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Layer after layer."""
        for layer in self:
            x = layer(x)
        return x


def timm_stages(name: str) -> SimpleNamespace:
    """A backbone of timm with random weights, cut where its grid has 8, 16 and 32 pixels a cell."""
    import timm  # noqa: PLC0415 - needed here alone

    found: Any = timm.create_model(name, features_only=True, in_chans=1, pretrained=False)
    places = {
        each["module"].replace(".", "_"): (each["reduction"], each["num_chs"])
        for each in found.feature_info.info
    }
    layers, names = list(found.values()), list(found.keys())
    ends = {
        places[own][0]: (at + 1, places[own][1]) for at, own in enumerate(names) if own in places
    }
    cuts = [0, *(ends[reduction][0] for reduction in (8, 16, 32))]
    second, third, fourth = (
        Stage(layers[first:last], ends[reduction][1])
        for (first, last), reduction in zip(pairwise(cuts), (8, 16, 32), strict=True)
    )
    nothing = nn.Identity
    return SimpleNamespace(
        conv1=nothing(),
        bn1=nothing(),
        relu=nothing(),
        maxpool=nothing(),
        layer1=nothing(),
        layer2=second,
        layer3=third,
        layer4=fourth,
    )


# --------------------------------------------------------------------------------------- table


Kept = dict[str, SignerScores]
"""One variant's scores by figure; those of a set of scans with its name before the figure's."""


def read_scores(kept: Path) -> Kept:
    """What `make` kept."""
    with np.load(kept, allow_pickle=False) as found:
        keys = [name.removesuffix(" draws") for name in found.files if name.endswith(" draws")]
        result = {}
        for key in keys:
            sides = [
                tuple(
                    np.split(found[f"{key} {side}"], np.cumsum(found[f"{key} {side} counts"])[:-1])
                )
                for side in ("mated", "others")
            ]
            result[key] = SignerScores(sides[0], sides[1], int(found[f"{key} draws"]))
        return result


def write_table(out: Path, groups: dict[str, dict[str, Variant]], batches: int) -> None:
    """Markdown and JSON over all variants that are there."""
    scores = {
        name: read_scores(out / f"{name}.npz")
        for group in groups.values()
        for name in group
        if (out / f"{name}.npz").is_file()
    }
    document: dict[str, Any] = {"batches": batches, "variants": {}}
    signers = len(scores[BASE][SHOWN[0]].mated)
    lines = [
        f"EER in per cent of {signers} signers that none was trained on, {batches} batches of 84. "
        "Below a rate: the rate less that of what it is compared with, 95 % over signers; bold: "
        "the interval is off zero.",
        "",
    ]
    scanned: dict[str, list[str]] = {source.path: [] for source in SCANS}
    for group, members in groups.items():
        there = {name: each for name, each in members.items() if name in scores}
        if not there:
            continue
        lines += [f"### {group.capitalize()}", "", HEADER, RULE]
        for name, variant in there.items():
            entry = figures(out / f"{name}.npz", scores, name, variant.against)
            document["variants"][name] = entry
            lines.append(row_of(variant, entry))
            for source in variant.scans:
                if f"{source.path} {SHOWN[0]}" in entry:
                    scanned[source.path].append(row_of(variant, entry, f"{source.path} "))
        lines.append("")
    for path, rows in scanned.items():
        if rows:
            lines += [f"### On the scans of {path}", "", HEADER, RULE, *rows, ""]
    (out / "table.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    (out / "table.md").write_text("\n".join(lines), encoding="utf-8")


SHOWN = (
    "vector skilled R=1",
    "vector skilled R=5",
    "vector random R=5",
    "local skilled R=1",
    "local skilled R=5",
    "local random R=5",
)
HEADER = f"| Variant | {' | '.join(SHOWN)} | images/s |"
RULE = "|---" * (len(SHOWN) + 2) + "|"


def figures(kept: Path, scores: dict[str, Kept], name: str, against: str) -> dict[str, Any]:
    """A variant's rates and differences, JSON-ready."""
    with np.load(kept, allow_pickle=False) as found:
        entry: dict[str, Any] = {
            "against": against,
            "images_per_second": float(found["images_per_second"]),
            "parameters": int(found["parameters"]),
        }
    for key, own in scores[name].items():
        entry[key] = asdict(equal_error_rate(own).rate)
        if name != against and key in scores[against]:
            entry[f"{key}, difference"] = asdict(paired_difference(own, scores[against][key]))
    return entry


def row_of(variant: Variant, entry: dict[str, Any], measured: str = "") -> str:
    """A line of the table, of the validation signers or of the set that is named."""
    cells = []
    for key in (f"{measured}{figure}" for figure in SHOWN):
        rate = f"{100 * entry[key]['value']:.1f}"
        if found := entry.get(f"{key}, difference"):
            rate += f"<br>{difference_cell(Rate(**found))}"
        cells.append(rate)
    return f"| {variant.title} | {' | '.join(cells)} | {entry['images_per_second']:.0f} |"


def difference_cell(rate: Rate) -> str:
    """Such as ``+1.2 (-0.3 to +2.9)``, bold where the interval is off zero."""
    text = f"{100 * rate.value:+.1f} ({100 * rate.low:+.1f} to {100 * rate.high:+.1f})"
    return f"**{text}**" if rate.low > 0 or rate.high < 0 else text


if __name__ == "__main__":
    sys.exit(main())
