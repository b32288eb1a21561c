"""The session test sees a session's mark, and sees none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from sigvault.domain.embedding import Embedding, pack_local
from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.evaluation.protocols import EvaluationSigner
from sigvault.evaluation.session_test import run_session_test


def _embedding(rng: np.random.Generator, mark: float) -> Embedding:
    """Noise, and along the first axis what the pen of a session leaves."""
    vector = rng.normal(size=8) + mark * np.eye(8)[0]
    features = rng.normal(size=(2, 2, 6)) + mark * np.eye(6)[0]
    return Embedding(
        (vector / np.linalg.norm(vector)).astype(np.float32),
        pack_local(features.astype(np.float32), np.ones((2, 2), bool)),
        ModelId("m-1"),
    )


def _signers(mark: float) -> list[EvaluationSigner]:
    rng = np.random.default_rng(3)
    return [
        EvaluationSigner(
            SignerId(str(number)),
            tuple(_embedding(rng, mark) for _ in range(8)),
            tuple(_embedding(rng, 0.0) for _ in range(5)),
        )
        for number in range(12)
    ]


def test_sessions_that_cannot_be_told_apart_pass() -> None:
    found = run_session_test(_signers(mark=0.0))
    assert found.passed
    assert found.comparisons == 12 * 11 * 6 * 3


def test_a_pen_that_all_genuine_signatures_share_is_seen() -> None:
    found = run_session_test(_signers(mark=3.0))
    assert found.cosine > 0.8
    assert found.local > 0.8
    assert not found.passed


def test_one_score_alone_can_fail_the_test() -> None:
    marked = _signers(mark=3.0)
    plain = _signers(mark=0.0)
    mixed = [
        EvaluationSigner(
            own.signer,
            tuple(
                Embedding(even.vector, odd.local, even.model)
                for even, odd in zip(other.genuine, own.genuine, strict=True)
            ),
            other.forged,
        )
        for own, other in zip(marked, plain, strict=True)
    ]
    found = run_session_test(mixed)
    assert abs(found.cosine - 0.5) < 0.05
    assert not found.passed


def test_it_repeats_from_its_seed_and_skips_who_has_no_forgeries() -> None:
    signers = _signers(mark=1.0)
    without = EvaluationSigner(SignerId("x"), signers[0].genuine)
    assert run_session_test(signers, seed=4) == run_session_test([*signers, without], seed=4)


def test_it_takes_two_signers_with_forgeries() -> None:
    with pytest.raises(DatasetError, match="two signers with forgeries"):
        run_session_test(_signers(mark=0.0)[:1])
