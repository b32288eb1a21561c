"""From a folder of signatures to a model that decides, by the commands alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Outcome
from tiny_run import draw_signers

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
folds = 3
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

    # The file says three folds.
    folds = ["cross-validate", config, *common, "--out", tmp_path / "folds", "--folds", 2]
    folds += ["--device", "cpu", "--workers", 0]
    first = run(*folds, "--json")
    assert first.code == 0, first.err
    assert "fold 2 of 2, epoch 1 of 1" in first.err
    assert {row["references"] for row in first.document["results"]} == {1, 5}
    assert all(row["signers"] == 12 for row in first.document["results"])
    for row in first.document["results"]:
        spread = row["random"]
        assert spread["fold_low"] <= spread["fold_mean"] <= spread["fold_high"]
        assert spread["fold_deviation"] >= 0
    again = run(*folds)
    assert again.code == 0
    assert "±" in again.out
    assert "epoch" not in again.err

    trained = run("train", config, "--data", tmp_path, "--out", tmp_path / "run", "--json")
    assert trained.code == 0, trained.err
    assert 0 <= trained.document["waiting"] <= 1
    model = Path(trained.document["folder"])
    finished = run("train", config, "--data", tmp_path, "--out", tmp_path / "run")
    assert "of the time was waiting for images" in finished.out
    assert "epoch" not in finished.err
    page = tmp_path / "figures.md"
    released = run(
        "release", model, tmp_path / "strangers", "--folds", 2, "--draws", 2, "--report", page
    )
    assert released.code == 0, released.err
    assert "| strangers | 5 | 6 |" in released.out
    assert "| strangers | 5 | mated |" in page.read_text(encoding="utf-8")
    card = read_card(model)
    assert [threshold.references for threshold in card.thresholds] == [1, 2, 3, 4, 5, 6]
    for angles, message in (("a,b", "are no angles"), ("0,12", "local_turns holds 0")):
        refused = run("release", model, tmp_path / "strangers", f"--local-turns={angles}")
        assert refused.code != 0
        assert message in refused.err
    assert read_card(model) == card

    monkeypatch.setenv("SIGVAULT_MODEL", str(model))
    evaluated = run("evaluate", tmp_path / "strangers", "--json")
    assert evaluated.code == 0, evaluated.err
    warnings = evaluated.document["subject"]["warnings"]
    assert any("NOT INDEPENDENT" in line and "on 6 of these" in line for line in warnings)


def test_a_recipe_with_one_fold_cannot_be_cross_validated(run, tmp_path: Path):
    config = tmp_path / "tiny.toml"
    config.write_text(CONFIG.replace("folds = 3", "folds = 1"), encoding="utf-8")
    outcome = run("cross-validate", config, "--data", tmp_path, "--json")
    assert outcome.code == 4
    assert outcome.error == "ConfigurationError"


def test_folds_that_diverge_are_named_and_end_with_what_to_do(run, tmp_path: Path):
    draw_signers(tmp_path)
    config = tmp_path / "wild.toml"
    wild = CONFIG.replace("dimension = 16", "height = 32\nwidth = 48\ndimension = 8")
    wild = wild.replace("epochs = 1", "epochs = 1\nlearning_rate = 1e38\ngradient_norm = 0.0")
    wild += """
[optimisation.optimiser]
name = "SGD"

[optimisation.scheduler]
name = "ConstantLR"
factor = 1.0
"""
    config.write_text(wild.replace("signers = 3", "signers = 2"), encoding="utf-8")
    outcome = run(
        "cross-validate", config, "--data", tmp_path, "--out", tmp_path / "folds", "--json"
    )
    assert outcome.code == 4
    assert outcome.error == "TrainingDiverged"
    message = outcome.document["error"]["message"]
    assert "3 of 3 folds diverged" in message
    assert "fold 2 of 3 (fold1): the" in message
    assert "The same command tries what is missing again" in message


def test_a_demonstration_recipe_is_said_not_to_serve(run, tmp_path: Path):
    draw_signers(tmp_path)
    config = tmp_path / "raw.toml"
    raw = CONFIG.replace("dimension = 16", "height = 32\nwidth = 48\ndimension = 8")
    raw = raw.replace('name = "tiny"', 'name = "tiny"\npreprocessing = "raw-1"')
    config.write_text(raw.replace("signers = 3", "signers = 2"), encoding="utf-8")
    outcome = run("train", config, "--data", tmp_path, "--out", tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert "for comparison alone, since raw-1 keeps leaks" in outcome.out
    assert "SIGVAULT_MODEL" not in outcome.out


def test_a_device_that_does_not_exist_is_wrong_usage(run, tmp_path: Path):
    assert run("train", tmp_path / "any.toml", "--device", "abacus").code == 2
    assert run("train", tmp_path / "any.toml", "--workers", -1).code == 2
    assert run("cross-validate", tmp_path / "any.toml", "--folds", 1).code == 2
