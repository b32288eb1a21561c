"""scripts/train_bundled with a stand-in for sigvault that notes what it is asked for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sigvault.training.config import read_config

ROOT = Path(__file__).parents[2]

STAND_IN = """#!/usr/bin/env bash
set -eu
echo "$*" >> "$CALLS"
case $1 in
  synth) mkdir -p "$2" ;;
  train)
    config=$2 out=$6
    if [ "$(basename "$config" .toml)" = "${STOPS_AT:-}" ]; then exit 130; fi
    mkdir -p "$out/model"
    echo "{}" > "$out/model/card.json"
    ;;
  release) touch "${@: -1}" ;;
esac
"""


@pytest.fixture
def train(tmp_path):
    """Runs the script; gives its exit status and the calls by then."""
    tool, calls = tmp_path / "sigvault", tmp_path / "calls"
    tool.write_text(STAND_IN)
    tool.chmod(0o755)
    data = tmp_path / "my data"
    for name in ("crossmedia_chinese", "cedar", "sigcomp2011_dutch", "trajectories"):
        (data / name).mkdir(parents=True)

    def run(model: str, *options: str, stops_at: str = "") -> tuple[int, list[str]]:
        environment = os.environ | {
            "SIGVAULT": str(tool),
            "CALLS": str(calls),
            "STOPS_AT": stops_at,
        }
        done = subprocess.run(
            [ROOT / "scripts/train_bundled", model, data, tmp_path / "out", *options],
            env=environment,
            check=False,
            capture_output=True,
        )
        said = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return done.returncode, said

    return run


def stages(calls: list[str]) -> list[str]:
    """The configurations that were trained, in order."""
    return [Path(call.split()[1]).stem for call in calls if call.startswith("train")]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("default", ["pretrain", "small", "canvas", "vector", "default"]),
        ("open", ["open-small", "open"]),
        ("gpu", ["pretrain", "gpu"]),
    ],
)
def test_each_stage_starts_from_what_an_earlier_one_left(train, tmp_path, model, expected):
    status, calls = train(model)
    assert status == 0
    assert stages(calls) == expected
    assert calls[-1].startswith("release")
    data = tmp_path / "out/data"
    for name in expected:
        config = read_config(ROOT / f"configs/{name}.toml")
        needed = {source.path for source in config.data} | {config.start.checkpoint} - {None}
        needed -= {"resnet18_imagenet_stem_to_layer3.pt"}
        assert all((data / each).exists() for each in needed)
    assert (tmp_path / "out/model/card.json").is_file()


def test_a_run_that_was_stopped_carries_on_where_it_was(train):
    status, calls = train("default", stops_at="vector")
    assert status == 130
    assert stages(calls) == ["pretrain", "small", "canvas", "vector"]
    status, calls = train("default")
    assert status == 0
    assert stages(calls) == ["vector", "default"]
    assert not any(call.startswith("synth") for call in calls)
    assert train("default") == (0, [])


def test_further_options_go_to_every_training(train):
    _, calls = train("gpu", "--device", "cuda", "--workers", "12")
    trained = [call for call in calls if call.startswith("train")]
    assert all(call.endswith("--device cuda --workers 12") for call in trained)
    assert not any("--device" in call for call in calls if not call.startswith("train"))


def test_an_unknown_model_is_refused(train, tmp_path):
    assert train("best") == (2, [])
    assert not (tmp_path / "out").exists()
