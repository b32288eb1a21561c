"""Does an accept point of its own for each signer help signers that nothing was learnt on?

Run: ``python benchmarks/signer_thresholds.py DATA [DATA ...] --cache DIR [--references 3 5 10]``

Each DATA is a folder of genuine signatures and skilled forgeries; none may be of signers that the
bundled model was trained on. Offsets known at enrollment are learnt and tested by folds over the
signers of each data set, apart; ``sigvault.evaluation.signer_thresholds`` says how, and by which
rule, fixed beforehand, any of it would be kept. Prints Markdown tables. Pair scores are kept in DIR
by data set and model: delete them if the data change.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sigvault.datasets import read_layout
from sigvault.domain.comparison import Rate
from sigvault.domain.identifiers import SignerId
from sigvault.embedding.card import bundled_model, read_card, write_card
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.evaluation.gallery_offsets import (
    Candidate,
    SignatureScores,
    ThresholdPlan,
    score_signatures,
)
from sigvault.evaluation.pair_scores import PairScores
from sigvault.evaluation.signer_thresholds import (
    CandidateResult,
    ThresholdComparison,
    compare_thresholds,
    helps,
)
from sigvault.services.unseen_signers import embed_unseen_signers
from sigvault.training.release import bind_preprocessing

Comparisons = dict[str, tuple[ThresholdComparison, ...]]

TITLES = {
    Candidate.NONE: "none: one accept point",
    Candidate.REFERENCES: "references among themselves",
    Candidate.COHORT_MEAN: "cohort's mean, nothing learnt",
    Candidate.COHORT_DIVIDED: "the same, divided by its deviation",
    Candidate.COHORT: "cohort, learnt",
    Candidate.BOTH: "both, learnt",
}


def main() -> int:
    """Score what is missing, compare the candidates and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--references", type=int, nargs="+", default=[3, 5, 10])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--preprocessing", help="another recipe than the bundled model's")
    chosen = parser.parse_args()
    plan = ThresholdPlan(seed=chosen.seed)
    compared: Comparisons = {}
    model = bundled_model()
    if chosen.preprocessing is not None:
        model = bind(model, chosen.preprocessing, chosen.cache)
    for folder in chosen.data:
        scores = kept_scores(folder, model, chosen.cache)
        sys.stderr.write(f"{folder.name}: {len(scores.signers)} signers\n")
        compared[folder.name] = compare_thresholds(scores, sorted(chosen.references), plan)
    lines = [line for name, each in compared.items() for line in table(name, each)]
    sys.stdout.write("\n".join([*lines, *verdict(compared)]) + "\n")
    return 0


def bind(model: Path, preprocessing: str, cache: Path) -> Path:
    """A copy of a model that takes another recipe from pixels to ink."""
    copy = cache / f"model-{preprocessing}"
    shutil.copytree(model, copy, dirs_exist_ok=True)
    write_card(copy, bind_preprocessing(read_card(copy), preprocessing))
    return copy


def kept_scores(folder: Path, model: Path, cache: Path) -> SignatureScores:
    """The pair scores of a data set, read from the cache if they are there."""
    embedder = TorchEmbedder(model)
    kept = cache / f"{folder.resolve().name}-{embedder.model}.npz"
    if not kept.is_file():
        sys.stderr.write(f"embedding {folder}\n")
        write_scores(
            score_signatures(embed_unseen_signers(read_layout(folder), embedder).signers), kept
        )
    return read_scores(kept)


def write_scores(scores: SignatureScores, path: Path) -> None:
    """Write pair scores; skilled forgeries' columns lie beside each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {
        "signers": np.array(scores.signers),
        "owner": scores.owner,
        "cosine": scores.genuine.cosine,
        "local": scores.genuine.local,
    }
    for place, own in enumerate(scores.skilled):
        arrays |= {f"skilled_cosine_{place}": own.cosine, f"skilled_local_{place}": own.local}
    np.savez_compressed(path, **arrays)


def read_scores(path: Path) -> SignatureScores:
    """What ``write_scores`` wrote."""
    with np.load(path, allow_pickle=False) as kept:
        signers = tuple(SignerId(str(name)) for name in kept["signers"])
        return SignatureScores(
            signers,
            kept["owner"],
            PairScores(kept["cosine"], kept["local"]),
            tuple(
                PairScores(kept[f"skilled_cosine_{place}"], kept[f"skilled_local_{place}"])
                for place in range(len(signers))
            ),
        )


def table(name: str, compared: Sequence[ThresholdComparison]) -> list[str]:
    """One data set's figures, in per cent but for the last two columns."""
    lines = [
        f"**{name}**, {compared[0].signers} signers, each held out once. Per cent, with 95 % "
        "intervals over signers; the last two columns are in units of the fused score.",
        "",
        "| R | Offset | skilled EER | less none's | random EER | less none's | FNMR | skilled FMR "
        "| FMR | own points' deviation | their standard error |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for comparison in compared:
        lines += [row(comparison.references, result) for result in comparison.results]
        oracle = f"{100 * comparison.oracle_skilled_eer:.2f}"
        lines.append(
            f"| {comparison.references} | *oracle: set on the test scores* | {oracle} |" + " |" * 8
        )
    return [*lines, ""]


def row(references: int, result: CandidateResult) -> str:
    """One line of the table."""
    cells = [
        str(references),
        TITLES[result.candidate],
        percent(result.skilled_eer),
        signed(result.skilled_difference, result.candidate),
        percent(result.random_eer),
        signed(result.random_difference, result.candidate),
        percent(result.fnmr),
        percent(result.skilled_fmr),
        percent(result.fmr),
        f"{result.deviation:.4f}",
        f"{result.standard_error:.4f}",
    ]
    return f"| {' | '.join(cells)} |"


def percent(rate: Rate) -> str:
    """A rate with its interval."""
    return f"{100 * rate.value:.2f} ({100 * rate.low:.2f} to {100 * rate.high:.2f})"


def signed(rate: Rate, candidate: Candidate) -> str:
    """A difference with its interval; nothing for the baseline."""
    if candidate is Candidate.NONE:
        return ""
    return f"{100 * rate.value:+.2f} ({100 * rate.low:+.2f} to {100 * rate.high:+.2f})"


def verdict(compared: Comparisons) -> list[str]:
    """Whether each candidate helps at each number of references, and from which on it is kept."""
    numbers = [comparison.references for comparison in next(iter(compared.values()))]
    lines = [
        "Helps on held-out signers (skilled EER lower with its interval below 0 on at least one "
        "data set, and not higher on any):",
        "",
        f"| Offset | {' | '.join(f'R = {number}' for number in numbers)} | kept |",
        f"|{'---|' * (len(numbers) + 2)}",
    ]
    for place, candidate in enumerate(Candidate):
        if candidate is Candidate.NONE:
            continue
        passed = [
            helps(
                {
                    name: comparisons[column].results[place].skilled_difference
                    for name, comparisons in compared.items()
                }
            )
            for column in range(len(numbers))
        ]
        cells = ["yes" if each else "no" for each in passed]
        lines.append(f"| {TITLES[candidate]} | {' | '.join(cells)} | {kept(numbers, passed)} |")
    return lines


def kept(numbers: Sequence[int], passed: Sequence[bool]) -> str:
    """From which number of references on a candidate always helps."""
    from_here = [number for place, number in enumerate(numbers) if all(passed[place:])]
    return f"from R = {min(from_here)}" if from_here else "no"


if __name__ == "__main__":
    sys.exit(main())
