"""Blocks of scores against the domain's one-by-one comparison."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigvault.domain.embedding import Embedding, pack_local
from sigvault.domain.errors import GenerationMismatch
from sigvault.domain.gallery import Gallery, Reference
from sigvault.domain.identifiers import GenerationId, ModelId, ReferenceId, SignerId
from sigvault.domain.local_blocks import match_local_block
from sigvault.domain.local_matching import match_local
from sigvault.evaluation.pair_scores import score_pairs


def random_grid(
    rng: np.random.Generator, rows: int, columns: int, channels: int, ink: float
) -> np.ndarray:
    features = rng.normal(size=(rows, columns, channels)).astype(np.float32)
    return pack_local(features, rng.random((rows, columns)) < ink)


def random_embedding(rng: np.random.Generator, model: str = "m-1") -> Embedding:
    vector = rng.normal(size=8)
    return Embedding(
        (vector / np.linalg.norm(vector)).astype(np.float32),
        random_grid(rng, 3, 4, 5, 0.5),
        ModelId(model),
    )


@settings(max_examples=60)
@given(
    st.integers(0, 10_000),
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    st.sampled_from([0.0, 1.0, 2.3, 9.0]),
)
def test_block_equals_matching_one_by_one(
    seed: int, rows: int, columns: int, ink: float, radius: float
) -> None:
    rng = np.random.default_rng(seed)
    references = [random_grid(rng, rows, columns, 3, ink) for _ in range(3)]
    probes = [random_grid(rng, rows, columns, 3, level) for level in (ink, 0.0, 0.3, 1.0)]
    block = match_local_block(references, probes, radius)
    single = [[match_local(p, r, radius).score for p in probes] for r in references]
    np.testing.assert_allclose(block, single, atol=1e-5)


def test_block_equals_matching_one_by_one_at_the_usual_size() -> None:
    rng = np.random.default_rng(1)
    grids = [random_grid(rng, 8, 13, 64, 0.5) for _ in range(6)]
    single = [[match_local(p, r).score for p in grids] for r in grids]
    np.testing.assert_allclose(match_local_block(grids, grids), single, atol=1e-6)


def test_pairs_are_what_the_domain_compares() -> None:
    rng = np.random.default_rng(2)
    references = [random_embedding(rng) for _ in range(3)]
    probes = [random_embedding(rng) for _ in range(4)]
    pairs = score_pairs(references, probes)
    for row, reference in enumerate(references):
        for column, probe in enumerate(probes):
            assert pairs.cosine[row, column] == pytest.approx(
                float(reference.vector @ probe.vector), abs=1e-6
            )
            assert pairs.local[row, column] == pytest.approx(
                match_local(probe.local, reference.local).score, abs=1e-6
            )


def test_models_don_t_mix() -> None:
    rng = np.random.default_rng(3)
    with pytest.raises(GenerationMismatch, match="m-1, m-2"):
        score_pairs([random_embedding(rng)], [random_embedding(rng, "m-2")])


def test_shapes_don_t_mix() -> None:
    with pytest.raises(ValueError, match="2 shapes"):
        match_local_block([np.zeros((2, 2, 3), np.int8)], [np.zeros((2, 3, 3), np.int8)])


def test_views_are_of_the_references_alone() -> None:
    rng = np.random.default_rng(4)
    plain = [random_embedding(rng) for _ in range(4)]
    viewed = [
        Embedding(one.vector, np.stack([one.local, other.local]), one.model)
        for one, other in zip(plain, plain[1:] + plain[:1], strict=True)
    ]
    pairs = score_pairs(viewed, viewed)
    expected = [[match_local(probe.local, own.local).score for probe in plain] for own in viewed]
    np.testing.assert_allclose(pairs.local, expected, atol=1e-6)
    references = tuple(Reference(ReferenceId(str(place)), one) for place, one in enumerate(viewed))
    gallery = Gallery(SignerId("53"), GenerationId(1), references)
    assert gallery.spread is not None
    upper = pairs.local[np.triu_indices(4, 1)]
    assert gallery.spread.local == pytest.approx(float(upper.mean()), abs=1e-6)
