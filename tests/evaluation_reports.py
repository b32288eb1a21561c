"""Evaluations of made-up embeddings: real figures of signers that never existed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from fakes import FUSION, draw_signature
from sigvault.domain.embedding import Embedding, pack_local
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.domain.protocol import Protocol
from sigvault.evaluation.acquisition_rates import SignerImages, measure_acquisition
from sigvault.evaluation.answers import Choice, answer
from sigvault.evaluation.calibration import Provenance, calibrate
from sigvault.evaluation.gates import GateCollector, GateReport
from sigvault.evaluation.hardest_errors import find_hardest
from sigvault.evaluation.identification_rates import measure_identification
from sigvault.evaluation.protocols import (
    EvaluationSigner,
    compare_pairs,
    draw_comparisons,
    trace_probes,
)
from sigvault.evaluation.report import Subject
from sigvault.evaluation.results import Extras, ReferencesResult, measure
from sigvault.evaluation.session_test import SessionTest
from sigvault.imaging.decode import decode_file
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING

MODEL = ModelId("made-up-0123456789ab")

BOOTSTRAPS = 40


def make_signers(
    number: int = 14, *, folder: Path | None = None, skilled: bool = True, prefix: str = ""
) -> tuple[EvaluationSigner, ...]:
    """Signers as clouds of unit vectors, their forgers as clouds nearby.

    Args:
        number: how many.
        folder: where to write a drawn signature for each image; unknown files if None.
        skilled: whether there are forgeries.
        prefix: of the signers' names.
    """
    rng = np.random.default_rng(7)
    made = []
    for place in range(1, number + 1):
        centre = rng.normal(size=24)
        aside = centre + rng.normal(size=24) * rng.uniform(0.55, 1.0)
        genuine = tuple(_embedding(rng, centre, 0.35) for _ in range(8))
        forged = tuple(_embedding(rng, aside, 0.45) for _ in range(5 if skilled else 0))
        files = ("", "")
        if folder is not None:
            files = (
                _write(folder, place, "genuine", len(genuine)),
                _write(folder, place, "forged", len(forged)),
            )
        made.append(
            EvaluationSigner(SignerId(f"{prefix}{place}"), genuine, forged, *map(tuple, files))
        )
    return tuple(made)


def _embedding(rng: np.random.Generator, centre: np.ndarray, noise: float) -> Embedding:
    vector = centre + noise * rng.normal(size=centre.shape)
    local = np.tile(vector[:8].astype(np.float32), (2, 3, 1)) + rng.normal(0, 0.2, (2, 3, 8))
    return Embedding(
        (vector / np.linalg.norm(vector)).astype(np.float32),
        pack_local(local.astype(np.float32), np.ones((2, 3), bool)),
        MODEL,
    )


def _write(folder: Path, signer: int, kind: str, number: int) -> list[str]:
    paths = [folder / f"{kind}_{signer}_{each}.png" for each in range(1, number + 1)]
    for each, path in enumerate(paths):
        path.write_bytes(draw_signature(signer, each + 20 * (kind == "forged")))
    return [str(path) for path in paths]


@cache
def made_up_results(
    references: tuple[int, ...] = (1, 3, 5), *, frozen: bool = True, skilled: bool = True
) -> tuple[ReferencesResult, ...]:
    """The figures of made-up signers, without files; the threshold comes from other signers."""
    return measure_signers(make_signers(skilled=skilled), references, frozen=frozen)


def measure_signers(
    signers: Sequence[EvaluationSigner],
    references: Sequence[int] = (1, 3, 5),
    *,
    frozen: bool = True,
    identify: bool = True,
) -> tuple[ReferencesResult, ...]:
    """Every figure of some signers, with few resamplings."""
    skilled = any(own.forged for own in signers)
    others = compare_pairs(make_signers(9, skilled=skilled, prefix="other"))
    pairs = compare_pairs(signers)
    counts = [SignerImages(own.signer, len(own.genuine) + 1, 1, len(own.forged)) for own in signers]
    results = []
    for number in references:
        threshold = None
        if frozen:
            threshold = calibrate(
                draw_comparisons(others, number, draws=2),
                FUSION,
                Provenance("other made-up signers", MODEL, "made-up", 0),
                bootstraps=1,
            )
        answers = answer(
            draw_comparisons(pairs, number, draws=2), [Choice(None, FUSION, threshold)]
        )
        extras = Extras(
            acquisition=measure_acquisition(counts, number, bootstraps=BOOTSTRAPS),
            identification=measure_identification(
                signers,
                FUSION,
                number,
                bootstraps=BOOTSTRAPS,
                threshold=threshold and threshold.accept,
            )
            if identify
            else None,
            hardest=find_hardest(answers, pairs, trace_probes(pairs, number, draws=2)),
            calibrated_with=(number,) if frozen else (),
            points=None if threshold is None else (threshold.accept, threshold.refuse),
        )
        results.append(measure(answers, extras, bootstraps=BOOTSTRAPS))
    return tuple(results)


def make_subject(
    protocol: Protocol = Protocol.P1,
    *,
    warnings: tuple[str, ...] = (),
    unusable: tuple[str, ...] = (),
    left_out: tuple[SignerId, ...] = (),
    data: str = "made-up",
) -> Subject:
    """What a report says it is about."""
    return Subject(
        protocol=protocol,
        data=data,
        model=MODEL,
        preprocessing="made-up",
        images=182,
        seed=0,
        choices="chosen on other made-up signers",
        rules=(FUSION,),
        left_out=left_out,
        warnings=warnings,
        unusable=unusable,
    )


def gates_of(signers: Sequence[EvaluationSigner]) -> GateReport:
    """The gates of signers whose files exist, with a session test."""
    collector = GateCollector()
    for own in signers:
        for genuine, files in ((True, own.genuine_files), (False, own.forged_files)):
            for file in files:
                image = decode_file(file)
                ink = DEFAULT_PREPROCESSING.prepare(image).ink.ink
                size = Path(file).stat().st_size
                collector.add(own.signer, genuine, file, ink, file_bytes=size, grey=image.pixels)
    session = SessionTest(cosine=0.51, local=0.49, comparisons=120)
    return collector.finish(session, draws=BOOTSTRAPS)


def no_gates(*failures: str, not_asked: tuple[str, ...] = ()) -> GateReport:
    """Gates without a single statistic, with failures as asked for."""
    return GateReport(14, 112, 70, not failures, failures, (), not_asked, (), (), (), (), None)
