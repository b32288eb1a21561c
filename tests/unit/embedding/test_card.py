from __future__ import annotations

from pathlib import Path

from sigvault.embedding.card import bundled_model, bundled_models, find_model, read_card


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
