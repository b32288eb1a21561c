"""The comparison of two generations, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sigvault.domain.comparison import Rate
from sigvault.domain.identifiers import GenerationId, SignerId
from sigvault.evaluation.generation_changes import Change, Verdict
from sigvault.evaluation.generation_comparison import GenerationComparison, SignerChange
from sigvault.evaluation.generation_page import (
    cells_of,
    describe_signer,
    flips_of,
    notes_of,
    render_comparisons,
    title_of,
)
from sigvault.evaluation.generation_verdict import Undecided

NOTHING = ((0, 0, 0), (0, 0, 0), (0, 0, 0))
FNMR = Change(
    "fnmr", Rate(0.1, 0.05, 0.15), Rate(0.2, 0.1, 0.3), Rate(0.1, 0.02, 0.18), margin=0.02
)
COST = Change("cllr", Rate(0.5, 0.4, 0.6), Rate(0.4, 0.3, 0.5), Rate(-0.1, -0.2, 0.0), margin=0.05)


@pytest.fixture
def comparison() -> GenerationComparison:
    return GenerationComparison(
        old=GenerationId(1),
        new=GenerationId(2),
        signers=12,
        skipped=3,
        comparisons={"mated": 36, "random": 60, "skilled": 0},
        changes=(FNMR, COST),
        flips={
            "mated": ((1, 0, 0), (0, 2, 1), (4, 0, 28)),
            "random": ((60, 0, 0), (0, 0, 0), (0, 0, 0)),
            "skilled": NOTHING,
        },
        worse_signers=(SignerChange(SignerId("s7"), 3, (3, 1), (0, 1)),),
        verdict=Verdict.WORSE,
        reasons=("too many are lost",),
    )


def test_the_title_counts_signers_and_comparisons(comparison):
    assert title_of(comparison, "fresh signatures") == (
        "Generation 2 beside 1 on fresh signatures: 12 signers, 3 skipped; comparisons: 36 mated, "
        "60 random"
    )


def test_rates_are_in_per_cent_and_costs_in_bits():
    assert cells_of(FNMR) == (
        "genuine signatures not accepted",
        "10.00 % (5.00 to 15.00)",
        "20.00 % (10.00 to 30.00)",
        "+10.00 % (+2.00 to +18.00)",
        "2.00 %",
        "worse",
    )
    assert cells_of(COST)[3:] == ("-0.10 bits (-0.20 to +0.00)", "0.05 bits", "fit")
    unsure = replace(COST, difference=Rate(0.0, -0.1, 0.2))
    assert cells_of(unsure)[-1] == "unknown"


def test_notes_say_how_to_read_the_figures(comparison):
    assert notes_of(replace(comparison, changes=(FNMR,))) == []
    (cost,) = notes_of(comparison)
    assert "only the change means something" in cost
    blind = replace(FNMR, old=Rate(0.51, 0.4, 0.6))
    left_out = Undecided(3, 1, (GenerationId(1),))
    found = notes_of(replace(comparison, changes=(blind,), undecided=(left_out,)))
    assert found[0] == (
        "1 signer with 3 references can't be compared, one left out: generation 1 has no threshold "
        "for 2 references."
    )
    assert "51 % of genuine signatures" in found[1]
    assert "nearly blind" in found[1]


def test_flips_are_told_by_kind_where_there_were_any_decisions(comparison):
    assert flips_of(comparison) == [
        "mated: of 36 decisions 1 from review to accept, 4 from accept to refuse would flip",
        "random: of 60 decisions none would flip",
    ]


def test_a_signer_who_fares_worse_is_described():
    assert describe_signer(SignerChange(SignerId("s7"), 3, (3, 1), (0, 1))) == (
        "s7 (3 to 1 of 3 accepted, 0 to 1 refused)"
    )
    assert describe_signer(SignerChange(SignerId("s8"), 3, (3, 2), (1, 1))) == (
        "s8 (3 to 2 of 3 accepted)"
    )


def test_the_page_has_it_all_the_verdict_first(comparison):
    page = render_comparisons({"the vault's own galleries": comparison}, comparison.reasons)
    lines = page.splitlines()
    assert lines[2:5] == ["It may NOT decide:", "", "- too many are lost"]
    assert "## On the vault's own galleries" in lines
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 4
    assert len({line.count("|") for line in table}) == 1
    assert "- s7 (3 to 1 of 3 accepted, 0 to 1 refused)" in lines
    assert lines.index(notes_of(comparison)[0]) > lines.index(table[-1])


def test_a_page_of_nothing_to_compare_is_short(comparison):
    empty = GenerationComparison(
        GenerationId(1), GenerationId(2), 0, 0, {}, (), {}, (), Verdict.FIT, ()
    )
    page = render_comparisons({"fresh signatures": empty})
    assert "It may decide." in page
    assert "comparisons: none" in page
    assert "|" not in page
    assert "worse" not in page
