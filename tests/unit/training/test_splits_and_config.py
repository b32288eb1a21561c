"""Splits are by signer and disjoint; configurations that make no sense are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigvault.datasets import Layout
from sigvault.domain.errors import ConfigurationError, DatasetError
from sigvault.domain.identifiers import SignerId
from sigvault.training.config import DataSource, Split, config_from_dict, read_config
from sigvault.training.splits import split_signers, split_source

CONFIGS = Path(__file__).parents[3] / "configs"
UNWATCHED = {"path": "d", "layout": "folders", "licence": "", "validates": False}
MINIMAL = {"name": "m", "licence": "", "data": [{"path": "d", "layout": "folders", "licence": ""}]}


@given(st.integers(12, 60), st.integers(2, 5), st.integers(0, 100))
def test_splits_are_disjoint_whole_and_every_signer_is_held_out_once(
    count: int, folds: int, seed: int
):
    signers = [SignerId(str(number)) for number in range(count)]
    held_out: list[str] = []
    for fold in range(folds):
        split = split_signers(signers, Split(folds, fold, 0.1, seed))
        parts = [set(split.training), set(split.validation), set(split.held_out)]
        assert sum(map(len, parts)) == count
        assert set.union(*parts) == set(signers)
        held_out += split.held_out
    assert sorted(held_out) == sorted(signers)


def test_nobody_of_a_data_set_that_does_not_validate_does():
    source = DataSource("d", Layout.FOLDERS, "")
    split = Split(folds=4, fold=1, validation_share=0.3)
    signers = [SignerId(str(number)) for number in range(40)]
    usual = split_source(signers, source, split)
    assert usual == split_signers(signers, split)
    other = split_source(signers, replace(source, validates=False), split)
    assert other.validation == ()
    assert other.held_out == usual.held_out
    assert set(other.training) == {*usual.training, *usual.validation}


def test_too_few_signers_are_refused():
    with pytest.raises(DatasetError, match="folds"):
        split_signers([SignerId("1"), SignerId("2")], Split(folds=3))
    with pytest.raises(DatasetError, match="left to train on"):
        split_signers([SignerId("1")], Split(folds=1, validation_share=0))


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.toml")), ids=lambda path: path.name)
def test_shipped_configurations_are_valid_and_round_trip(path: Path):
    config = read_config(path)
    assert config_from_dict(config.to_dict(), source="again") == config


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"optimisation": {"learning_rat": 1}}, "learning_rat"),
        ({"split": {"fold": 4}}, r"split\.fold"),
        ({"batch": {"genuine": 1}}, r"batch\.genuine"),
        ({"data": []}, "data"),
        ({"loss": {"name": "contrastive"}}, "loss"),
        ({"architecture": {"dimension": 0}}, "dimension"),
        ({"name": "Not Good"}, "name"),
        ({"optimisation": {"precision": "float8"}}, "precision"),
        ({"local_projection": {"batches": 5}}, r"unless loss\.local_weight is 0"),
        ({"local_projection": {"batches": -1}}, r"local_projection\.batches"),
        ({"local_projection": {"learning_rate": 0}}, r"local_projection\.learning_rate"),
        ({"optimisation": {"start_share": 0.5}}, r"no start\.checkpoint"),
        ({"optimisation": {"start_share": 1.0}}, "start_share"),
        ({"data": [UNWATCHED], "optimisation": {"patience": 2}}, "a data set that validates"),
        ({"data": [UNWATCHED], "optimisation": {"keep": "best"}}, "a data set that validates"),
        ({"start": {"frozen_stages": 3}}, "frozen_stages"),
        ({"start": {"frozen_stages": 5, "checkpoint": "other"}}, "frozen_stages"),
    ],
)
def test_a_wrong_entry_is_named(change: dict[str, object], named: str):
    with pytest.raises(ConfigurationError, match=named):
        config_from_dict({**MINIMAL, **change}, source="here")


def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_config(tmp_path / "missing.toml")
    (tmp_path / "bad.toml").write_text("name = ", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="no TOML"):
        read_config(tmp_path / "bad.toml")
