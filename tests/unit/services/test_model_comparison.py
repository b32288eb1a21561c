"""Two models on the same signers and the same images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fakes import FakeEmbedder, draw_signature
from sigvault.datasets import Dataset, Layout, read_layout
from sigvault.domain.embedding import Embedding
from sigvault.domain.errors import DatasetError
from sigvault.domain.model_card import ModelCard
from sigvault.domain.protocol import Seen
from sigvault.evaluation.paired import MEASURES
from sigvault.services.acquisition import digest_of
from sigvault.services.model_comparison import compare_models, render_comparison


class NoisyEmbedder(FakeEmbedder):
    """A worse model: the fake with its vectors blurred by a fixed pattern."""

    trained: frozenset[str] = frozenset()

    @property
    def card(self) -> ModelCard:  # type: ignore[override]
        card = replace(super().card, training_digests=self.trained)
        return replace(card, calibration_digests=frozenset())

    def embed(self, inks, *, as_references=False):
        found = []
        for ink, embedding in zip(
            inks, super().embed(inks, as_references=as_references), strict=True
        ):
            rng = np.random.default_rng(int(ink.digest[:8], 16))
            vector = embedding.vector + 0.3 * rng.normal(size=embedding.vector.shape)
            unit = (vector / np.linalg.norm(vector)).astype(np.float32)
            found.append(Embedding(unit, embedding.local, embedding.model))
        return found


@pytest.fixture(scope="session")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("seven") / "seven"
    for signer in range(1, 8):
        for kind, count, shift in (("genuine", 4, 0), ("forged", 2, 100)):
            folder = root / kind / str(signer)
            folder.mkdir(parents=True)
            for number in range(count):
                data = draw_signature(signer + shift, number)
                (folder / f"{number}.png").write_bytes(data)
    return read_layout(root, Layout.FOLDERS)


def test_a_model_does_not_differ_from_itself(seven: Dataset) -> None:
    counts: list[int] = []
    found = compare_models(
        seven,
        FakeEmbedder(),
        FakeEmbedder(),
        references=(2, 1),
        draws=2,
        progress=counts.append,
    )
    assert counts == list(range(1, 85))
    assert len(found.differences) == 2 * 2 * len(MEASURES)
    assert all(one.difference.value == one.difference.low == 0.0 for one in found.differences)
    assert found.models == (FakeEmbedder().model, FakeEmbedder().model)
    assert found.warnings == ()


def test_a_worse_model_is_worse_and_the_page_says_by_how_much(seven: Dataset) -> None:
    found = compare_models(seven, FakeEmbedder(), NoisyEmbedder(), references=(1,), draws=2)
    areas = [one for one in found.differences if one.measure == "AUC"]
    assert all(one.difference.value >= 0.0 for one in areas)
    assert any(one.difference.value > 0.0 for one in areas)
    page = render_comparison(found)
    assert page.startswith(f"# {found.models[0]} against {found.models[1]} on seven")
    assert page.count("| 1 | skilled |") == len(MEASURES)


def test_signers_that_one_model_was_trained_on_are_left_out_for_both(seven: Dataset) -> None:
    file = seven.root / "genuine" / "3" / "1.png"
    other = NoisyEmbedder()
    other.trained = frozenset({digest_of(file.read_bytes())})
    with pytest.raises(DatasetError, match="trained on 1 of the 7"):
        compare_models(seven, FakeEmbedder(), other, references=(1,))
    found = compare_models(
        seven, FakeEmbedder(), other, references=(1,), draws=1, seen=Seen.LEAVE_OUT
    )
    assert found.left_out == ("3",)
    assert len(found.signers) == 6
    forced = compare_models(
        seven, FakeEmbedder(), other, references=(1,), draws=1, seen=Seen.INCLUDE
    )
    assert len(forced.signers) == 7
    assert any("FORCED" in warning for warning in forced.warnings)
    assert "> **FORCED" in render_comparison(forced)


def test_too_few_signers_that_both_have_not_seen(seven: Dataset) -> None:
    one, other = NoisyEmbedder(), NoisyEmbedder()
    files = [[seven.root / "genuine" / str(s) / "1.png" for s in own] for own in ((1, 2), (3,))]
    one.trained = frozenset(digest_of(file.read_bytes()) for file in files[0])
    other.trained = frozenset(digest_of(file.read_bytes()) for file in files[1])
    with pytest.raises(DatasetError, match=r"4 signers .* seen by neither"):
        compare_models(seven, one, other, references=(1,), seen=Seen.LEAVE_OUT)


def test_a_rule_that_was_chosen_on_these_signers_is_marked(seven: Dataset) -> None:
    digest = digest_of((seven.root / "genuine" / "3" / "1.png").read_bytes())

    class Chosen(FakeEmbedder):
        @property
        def card(self) -> ModelCard:  # type: ignore[override]
            return replace(super().card, calibration_digests=frozenset({digest}))

    found = compare_models(seven, Chosen(), FakeEmbedder(), references=(1,), draws=1)
    assert any("NOT INDEPENDENT" in warning for warning in found.warnings)
