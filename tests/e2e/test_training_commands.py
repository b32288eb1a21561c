"""From a folder of signatures to a model that decides, by the commands alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Outcome

from sigvault.cli.app import main
from sigvault.embedding.card import read_card
from sigvault.synthesis import SynthesisSettings, write_dataset

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CONFIG = """
name = "tiny"
licence = "synthetic signatures"

[[data]]
path = "signers"
layout = "folders"
licence = "made up"

[architecture]
dimension = 16
local_channels = 8

[split]
folds = 2
validation_share = 0.25

[batch]
signers = 3
genuine = 3
forged = 2
per_epoch = 3

[optimisation]
epochs = 1
precision = "float32"
"""


@pytest.fixture
def run(capsys):
    """Run a command in this process, with the real embedder."""

    def run_command(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(int(code), captured.out, captured.err)

    return run_command


def test_cross_validate_train_and_release(run, tmp_path: Path, monkeypatch):
    write_dataset(tmp_path / "signers", SynthesisSettings(signers=12, genuine=7, forged=0, dpi=150))
    strangers = SynthesisSettings(signers=6, genuine=7, forged=0, dpi=150, first=50)
    write_dataset(tmp_path / "strangers", strangers)
    config = tmp_path / "tiny.toml"
    config.write_text(CONFIG, encoding="utf-8")
    common = ["--data", tmp_path, "--draws", 2]

    folds = ["cross-validate", config, *common, "--out", tmp_path / "folds"]
    first = run(*folds, "--json")
    assert first.code == 0, first.err
    assert "fold 2 of 2, epoch 1 of 1" in first.err
    assert {row["references"] for row in first.document["results"]} == {1, 5}
    assert all(row["signers"] == 12 for row in first.document["results"])
    again = run(*folds)
    assert again.code == 0
    assert "epoch" not in again.err

    trained = run("train", config, "--data", tmp_path, "--out", tmp_path / "run", "--json")
    assert trained.code == 0, trained.err
    model = Path(trained.document["folder"])
    page = tmp_path / "figures.md"
    released = run(
        "release", model, tmp_path / "strangers", "--folds", 2, "--draws", 2, "--report", page
    )
    assert released.code == 0, released.err
    assert "| strangers | 5 | 6 |" in released.out
    assert "| strangers | 5 | mated |" in page.read_text(encoding="utf-8")
    card = read_card(model)
    assert [threshold.references for threshold in card.thresholds] == [1, 2, 3, 5]

    monkeypatch.setenv("SIGVAULT_MODEL", str(model))
    evaluated = run("evaluate", tmp_path / "strangers", "--json")
    assert evaluated.code == 0, evaluated.err
    warnings = evaluated.document["subject"]["warnings"]
    assert any("NOT INDEPENDENT" in line and "on 6 of these" in line for line in warnings)


def test_a_recipe_with_one_fold_cannot_be_cross_validated(run, tmp_path: Path):
    config = tmp_path / "tiny.toml"
    config.write_text(CONFIG.replace("folds = 2", "folds = 1"), encoding="utf-8")
    outcome = run("cross-validate", config, "--data", tmp_path, "--json")
    assert outcome.code == 4
    assert outcome.error == "ConfigurationError"
