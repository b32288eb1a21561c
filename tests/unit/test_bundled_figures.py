"""What the pages say of the bundled models is what their cards hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigvault.embedding.card import bundled_models, read_card

REPOSITORY = Path(__file__).parents[2]
PAGES = {"default": "docs/model.md", "open": "docs/open-model.md"}
ANSWERS = ("accept", "review", "refuse")
TITLES = {"cedar": "CEDAR", "sigcomp2011_dutch": "SigComp 2011 Dutch"}


def _rate(found):
    rate = found["pooled"]["rate"]
    return f"{100 * rate['value']:.1f} ({100 * rate['low']:.1f}–{100 * rate['high']:.1f})"


def _folds(found):
    mean, deviation, low, high = (
        100 * found[f"fold_{name}"] for name in ("mean", "deviation", "low", "high")
    )
    return f"{mean:.1f} ± {deviation:.1f} ({low:.1f}–{high:.1f})"


def _by_folds(name):
    return read_card(bundled_models()[name]).metrics["by_folds"]


@pytest.mark.parametrize("name", bundled_models())
def test_every_row_of_a_models_page_is_its_cards(name):
    page = (REPOSITORY / PAGES[name]).read_text("utf-8")
    for row in _by_folds(name):
        start = f"| {row['data']} | {row['references']} |"
        rates = " | ".join(
            f"{_rate(row[kind])} | {_folds(row[kind])}" for kind in ("skilled", "random")
        )
        assert f"{start} {row['signers']} | {rates} | {_rate(row['global_skilled'])} / " in page
        for probes, answers in row["decisions"].items():
            shares = " | ".join(
                f"{100 * answers[each]:.1f}" for each in ("accept", "review", "refuse")
            )
            assert f"{start} {probes} | {shares} |" in page
        assert f"| {row['cllr']:.3f} ({row['minimum_cllr']:.3f}) |" in page


def test_the_readmes_rates_are_the_default_models():
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    assert read_card(bundled_models()["default"]).id in readme
    for row in _by_folds("default"):
        if row["references"] not in (1, 5):
            continue
        rates = f"{_rate(row['skilled'])} | {_rate(row['random'])}"
        assert f"| {TITLES[row['data']]} | {row['references']} | {rates} |" in readme


def test_both_models_stand_side_by_side():
    page = (REPOSITORY / PAGES["open"]).read_text("utf-8")
    for free, other in zip(_by_folds("open"), _by_folds("default"), strict=True):
        pairs = " | ".join(
            ", ".join(_rate(row[kind]).partition(" ")[0] for row in (free, other))
            for kind in ("skilled", "random")
        )
        assert f"| {TITLES[free['data']]} | {free['references']} | {pairs} |" in page
