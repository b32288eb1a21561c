"""What storing vectors in 16 bits does to scores and to the equal error rate.

Run: ``python benchmarks/half_vectors.py DATA [--references 5] [--draws 10]``

DATA is a data set that the bundled model has not seen. All vectors are rounded to half floats, as a
vault stores references (probes are not rounded there); local features are bytes either way.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from sigvault.datasets import read_layout
from sigvault.domain.embedding import Embedding
from sigvault.embedding.card import bundled_model
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.evaluation.error_rates import equal_error
from sigvault.evaluation.protocols import (
    EvaluationSigner,
    Kind,
    apply_fusion,
    compare_pairs,
    draw_comparisons,
    scores_by_signer,
)
from sigvault.services.unseen_signers import embed_unseen_signers


def main() -> int:
    """Embed, score with both, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--references", type=int, default=5)
    parser.add_argument("--draws", type=int, default=10)
    chosen = parser.parse_args()
    embedder = TorchEmbedder(bundled_model())
    signers = embed_unseen_signers(read_layout(chosen.data), embedder).signers
    norms = [
        abs(float(np.linalg.norm(rounded(one).vector)) - 1.0)
        for signer in signers
        for one in signer.genuine
    ]
    lines = [
        f"{chosen.data.name}, {len(signers)} signers, R = {chosen.references}, {embedder.model}.",
        "",
        "| | skilled EER | random EER |",
        "|---|---|---|",
    ]
    scores = {}
    for name, some in {"32 bits": signers, "16 bits": tuple(map(half, signers))}.items():
        drawn = draw_comparisons(
            compare_pairs(some, seed=0), chosen.references, draws=chosen.draws, seed=0
        )
        scores[name] = apply_fusion(drawn, embedder.card.fusion)
        rates = []
        for kind in (Kind.SKILLED, Kind.RANDOM):
            own = scores_by_signer(drawn, scores[name], kind)
            rates.append(equal_error(own.all_mated, own.all_non_mated).rate)
        lines.append(f"| {name} | {' | '.join(f'{100 * rate:.3f} %' for rate in rates)} |")
    apart = np.abs(scores["32 bits"] - scores["16 bits"])
    lines += [
        "",
        f"Fused scores differ by at most {apart.max():.1e}, {apart.mean():.1e} on average; norms "
        f"of rounded vectors from 1 by at most {max(norms):.1e}.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def rounded(embedding: Embedding) -> Embedding:
    """The embedding as a vault gives it back."""
    return replace(embedding, vector=embedding.vector.astype(np.float16).astype(np.float32))


def half(signer: EvaluationSigner) -> EvaluationSigner:
    """A signer whose every vector is rounded: those of probes too, which is the worst case."""
    return replace(
        signer,
        genuine=tuple(map(rounded, signer.genuine)),
        forged=tuple(map(rounded, signer.forged)),
    )


if __name__ == "__main__":
    sys.exit(main())
