from __future__ import annotations

from pathlib import Path

import pytest

from sigvault.domain.aims import CALIBRATED_REFERENCES
from sigvault.embedding.architecture import Architecture
from sigvault.embedding.card import bundled_model, bundled_models, find_model, read_card
from sigvault.embedding.checkpoint import load_model


def test_the_default_model_is_the_first_that_is_bundled():
    found = bundled_models()
    assert next(iter(found.items())) == ("default", bundled_model())
    assert all(read_card(folder).licence for folder in found.values())


def test_a_model_is_found_by_its_folder_or_by_a_bundled_ones_name(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_model("default") == bundled_model()
    assert find_model(tmp_path / "default") == tmp_path / "default"
    assert find_model("other/default") == tmp_path / "other" / "default"
    (tmp_path / "default").mkdir()
    assert find_model("default") == tmp_path / "default"


@pytest.mark.parametrize("name", bundled_models())
def test_a_bundled_model_is_whole_and_decides(name: str):
    network, card = load_model(bundled_models()[name])
    assert network.architecture == Architecture.from_dict(card.architecture)
    assert [each.references for each in card.thresholds] == list(CALIBRATED_REFERENCES)
    assert not card.calibration_digests & card.training_digests
    assert card.licence


def test_anyone_may_use_the_open_model():
    card = read_card(bundled_models()["open"])
    assert card.licence.startswith("Apache-2.0")
    assert len(card.training_data) == 5
    for line in card.training_data:
        assert "MIT" in line or "Apache-2.0" in line
        assert "research" not in line
    assert card.recipe["start"]["weights"] is None
