"""How many genuine signatures are missed where as few forgeries pass as pass examiners.

Run: ``python benchmarks/beside_examiners.py DATA [DATA ...] --cache DIR [--references 6]
[--passing 0.0049 0.0647]``

Forensic examiners who had six known signatures took 0.49 % of forgeries for genuine ones and missed
7.05 % of these; lay people 6.47 and 26.1 % (Kam, Gummadidala, Fielding, Conn: Signature
Authentication by Forensic Document Examiners, J. Forensic Sci. 46 (2001)). Each DATA holds signers
that the bundled model was not trained on. Fusion rule and accept point, at which so many skilled
forgeries pass, are chosen on four fifths of the signers and all of the other sets', and tested on
the rest, in turn. Embeddings are kept in DIR. Prints Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gallery_spread import kept_signers, write

from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.error_rates import (
    Floats,
    SignerScores,
    fmr_rate,
    fnmr_rate,
    threshold_at_fmr,
)
from sigvault.evaluation.fusion_choice import choose_fusion
from sigvault.evaluation.protocols import (
    ComparisonScores,
    EvaluationSigner,
    Kind,
    apply_fusion,
    compare_pairs,
    concatenate,
    draw_comparisons,
    scores_by_signer,
)

CHOSEN_ON = (1, 3, 5)
"""The numbers of references that a fusion rule is chosen for, besides the one asked for."""

DRAWS = 10
FOLDS = 5
EXAMINERS, LAY = 0.0049, 0.0647
"""The shares of forgeries that passed them."""

Comparisons = Mapping[int, ComparisonScores]


@dataclass(frozen=True)
class Tested:
    """Scores less the accept point that was chosen without the signer, a fold after the other.

    Attributes:
        skilled: against skilled forgeries.
        random: against random ones.
    """

    skilled: SignerScores
    random: SignerScores


def main() -> int:
    """Embed what is missing, choose, test, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--references", type=int, default=6)
    parser.add_argument("--passing", type=float, nargs="+", default=[EXAMINERS, LAY])
    chosen = parser.parse_args()
    chosen.cache.mkdir(parents=True, exist_ok=True)
    numbers = sorted({*CHOSEN_ON, chosen.references})
    sets = {
        folder.name: compare(folder.name, kept_signers(folder, chosen.cache), numbers)
        for folder in chosen.data
    }
    write(f"R = {chosen.references}; per cent, in brackets the 95 % interval over signers.\n")
    write("| data | signers | forgeries aimed at | skilled that pass | missed | random that pass |")
    write("|---|---|---|---|---|---|")
    for name in sets:
        for aim in chosen.passing:
            found = test(sets, name, chosen.references, aim)
            rates = (
                fmr_rate(found.skilled, 0.0),
                fnmr_rate(found.skilled, 0.0),
                fmr_rate(found.random, 0.0),
            )
            cells = (
                f"{100 * one.value:.2f} ({100 * one.low:.2f}–{100 * one.high:.2f})" for one in rates
            )
            signers = len(found.skilled.mated)
            write(f"| {name} | {signers} | {100 * aim:.2f} | {' | '.join(cells)} |")
    return 0


def compare(
    name: str, signers: Sequence[EvaluationSigner], numbers: Sequence[int]
) -> dict[int, ComparisonScores]:
    """Ten draws for each number of references, as a release draws them."""
    named = [
        EvaluationSigner(SignerId(f"{name}/{own.signer}"), own.genuine, own.forged)
        for own in signers
    ]
    pairs = compare_pairs(named, seed=0)
    return {number: draw_comparisons(pairs, number, draws=DRAWS, seed=0) for number in numbers}


def test(sets: Mapping[str, Comparisons], name: str, references: int, aim: float) -> Tested:
    """Choose and test in turn."""
    parts = list(folds(sets, name, references, aim))
    skilled, random = (
        SignerScores(
            tuple(mated for part in kind for mated in part.mated),
            tuple(forged for part in kind for forged in part.non_mated),
            DRAWS,
        )
        for kind in zip(*((part.skilled, part.random) for part in parts), strict=True)
    )
    return Tested(skilled, random)


def folds(
    sets: Mapping[str, Comparisons], name: str, references: int, aim: float
) -> Iterator[Tested]:
    """Each fold's scores less the point that the others, and the other sets, gave."""
    own = sets[name][references]
    order = np.random.default_rng(0).permutation(len(own.signers))
    for places in np.array_split(order, FOLDS):
        held = [own.signers[place] for place in places]
        known = {
            number: concatenate(
                [
                    each[number].without(held) if other == name else each[number]
                    for other, each in sets.items()
                ]
            )
            for number in sets[name]
        }
        rule = choose_fusion(known).rule
        development = known[references]
        forged = apply_fusion(development, rule)[development.kind == Kind.SKILLED]
        tested = own.only(held)
        fused: Floats = apply_fusion(tested, rule) - threshold_at_fmr(forged, aim)
        yield Tested(
            scores_by_signer(tested, fused, Kind.SKILLED),
            scores_by_signer(tested, fused, Kind.RANDOM),
        )


if __name__ == "__main__":
    sys.exit(main())
