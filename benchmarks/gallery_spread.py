"""What shrinking a gallery's spread and giving it a floor does to verification and to searches.

Run: ``python benchmarks/gallery_spread.py DATA DATA --cache DIR [--draws 4]``

Each DATA is a folder of signers that the bundled model was not trained on. For each pair of
constants a fusion rule is chosen on the signers of both by the package's own choice, and measured
on them: equal error rates, the share of genuine signatures below the accept point at the usual
aims, and for searches the misses at a false positive identification rate of 1 %. Embeddings are
kept in DIR. These are the figures of docs/adr/0013; nothing else is reported from them, since rule
and rates come from the same signers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sigvault.datasets import read_layout
from sigvault.domain.embedding import Embedding
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.embedding.card import bundled_model
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.evaluation import fusion_choice, identification_rates
from sigvault.evaluation.calibration import DEFAULT_AIMS
from sigvault.evaluation.error_rates import equal_error, threshold_at_fmr
from sigvault.evaluation.identification_rates import measure_identification
from sigvault.evaluation.protocols import (
    ComparisonScores,
    EvaluationSigner,
    Kind,
    apply_fusion,
    compare_pairs,
    draw_comparisons,
)
from sigvault.services.unseen_signers import embed_unseen_signers
from sigvault.training.fold_report import pool_data_sets

REFERENCES = (1, 2, 3, 5, 10)
SEARCHED = (1, 3, 5, 10)
KINDS = ("genuine", "forged")
NO_FLOOR = 0.0
CONSTANTS = ((0.0, NO_FLOOR), (0.25, 0.02), (0.25, 0.05), (0.5, 0.02), (0.5, 0.05))
"""Priors in pairs and the percentiles of the floor that are tried; 0 and 0: as it was before."""

BEFORE = FusionRule(top=3, local_weight=0.75, cosine_spread=0.0, local_spread=1.0)
"""The bundled model's rule before there were a prior and floors, chosen by equal error rates."""

Comparisons = dict[int, ComparisonScores]


def main() -> int:
    """Embed what is missing, try every pair of constants, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=4, help="of the references of searches")
    chosen = parser.parse_args()
    chosen.cache.mkdir(parents=True, exist_ok=True)
    sets = {folder.name: kept_signers(folder, chosen.cache) for folder in chosen.data}
    keep_pairs()
    by_data = {name: compare(name, signers) for name, signers in sets.items()}
    pooled = dict(pool_data_sets(by_data, REFERENCES))
    without = replace(BEFORE, local_spread=0.0)
    rules = [("before", BEFORE), ("no spread", without), *choose_all(by_data)]
    write(heading(sets))
    for name, rule in rules:
        figures = [*verification(pooled, rule), *searches(sets, rule, chosen.draws)]
        write(f"| {name} | {' | '.join(figures)} |")
    for name, rule in rules:
        write(f"\n{name}: {rule}")
    return 0


def write(line: str) -> None:
    """One line to standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def kept_signers(folder: Path, cache: Path) -> tuple[EvaluationSigner, ...]:
    """The signers of a data set, read from the cache if they are there."""
    embedder = TorchEmbedder(bundled_model())
    path = cache / f"{folder.name}-{embedder.model}.npz"
    if not path.is_file():
        signers = embed_unseen_signers(read_layout(folder), embedder).signers
        # References have further views of their local features: their arrays are larger.
        arrays: dict[str, Any] = {}
        for kind in KINDS:
            rows = [(own.signer, each) for own in signers for each in getattr(own, kind)]
            arrays[f"{kind}_signer"] = [signer for signer, _ in rows]
            arrays[f"{kind}_vector"] = np.array([each.vector for _, each in rows])
            arrays[f"{kind}_local"] = np.array([each.local for _, each in rows])
        np.savez_compressed(path, **arrays)
    with np.load(path, allow_pickle=False) as found:
        return tuple(read_signers(dict(found), embedder.model))


def read_signers(found: Mapping[str, np.ndarray], model: ModelId) -> Iterator[EvaluationSigner]:
    """What was kept."""
    for signer in dict.fromkeys(found["genuine_signer"].tolist()):
        genuine, forged = (
            tuple(
                Embedding(found[f"{kind}_vector"][row], found[f"{kind}_local"][row], model)
                for row in np.flatnonzero(found[f"{kind}_signer"] == signer)
            )
            for kind in KINDS
        )
        yield EvaluationSigner(SignerId(signer), genuine, forged)


def keep_pairs() -> None:
    """Compare signatures once for all rules: most of a search's time."""
    compared, known = identification_rates._compare, {}  # noqa: SLF001

    def compare_once(drawn: np.ndarray, genuine: Sequence[Embedding]) -> object:
        key = (drawn.tobytes(), len(genuine))
        if key not in known:
            known[key] = compared(drawn, genuine)
        return known[key]

    identification_rates._compare = compare_once  # type: ignore[assignment]  # noqa: SLF001


def compare(name: str, signers: Sequence[EvaluationSigner]) -> Comparisons:
    """Ten draws for each number of references, as a release draws them."""
    named = [replace(own, signer=SignerId(f"{name}/{own.signer}")) for own in signers]
    pairs = compare_pairs(named, seed=0)
    return {number: draw_comparisons(pairs, number, draws=10, seed=0) for number in REFERENCES}


def choose_all(by_data: Mapping[str, Comparisons]) -> Iterator[tuple[str, FusionRule]]:
    """The rule that is chosen with each pair of constants."""
    scores = dict(pool_data_sets(by_data, fusion_choice.FUSION_REFERENCES))
    for prior, quantile in CONSTANTS:
        fusion_choice.SPREAD_PRIOR, fusion_choice.FLOOR_QUANTILE = prior, quantile
        rules = fusion_choice.fusion_grid(max(scores)) if quantile == NO_FLOOR else None
        rule = fusion_choice.choose_fusion(scores, rules).rule
        yield f"prior {prior:g}, floor at {100 * quantile:g} %", rule


def heading(sets: Mapping[str, object]) -> str:
    """The first two lines of the table."""
    columns = ["", *(f"R = {number}: skilled, random, not accepted" for number in REFERENCES)]
    columns += [f"{name}, misses R = {', '.join(map(str, SEARCHED))}" for name in sets]
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"


def verification(scores: Comparisons, rule: FusionRule) -> Iterator[str]:
    """Equal error rates and what is not accepted, per cent, by number of references."""
    for each in scores.values():
        fused = apply_fusion(each, rule)
        mated, random, skilled = (fused[each.kind == kind] for kind in Kind)
        accept = max(
            threshold_at_fmr(random, DEFAULT_AIMS.fmr),
            threshold_at_fmr(skilled, DEFAULT_AIMS.skilled_fmr),
        )
        rates = equal_error(mated, skilled).rate, equal_error(mated, random).rate
        yield ", ".join(f"{100 * rate:.1f}" for rate in (*rates, (mated < accept).mean()))


def searches(
    sets: Mapping[str, Sequence[EvaluationSigner]], rule: FusionRule, draws: int
) -> Iterator[str]:
    """Misses at a false positive identification rate of 1 %, per cent, by data set."""
    for signers in sets.values():
        rates = [
            measure_identification(signers, rule, number, draws=draws, bootstraps=2)
            for number in SEARCHED
        ]
        yield ", ".join(f"{100 * rate.open_set[0].fnir.value:.1f}" for rate in rates)


if __name__ == "__main__":
    sys.exit(main())
