"""A report as Markdown: what must be said first, and tables that hold together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sigvault.domain.comparison import Rate
from sigvault.domain.protocol import Protocol
from sigvault.evaluation.identification_rates import FixedFpir, IdentificationRates, RankRate
from sigvault.evaluation.report import EvaluationReport
from sigvault.evaluation.report_page import TITLES, render_markdown, render_replica

Make = Callable[..., EvaluationReport]


def test_page_shows_what_was_measured(make_report: Make) -> None:
    report = make_report()
    page = render_markdown(report)
    result = report.results[0]
    assert result.skilled_eer is not None
    assert f"{100 * result.skilled_eer.rate.value:.2f} (" in page
    assert "trained on them: seen." in page
    assert "x.png: UnsupportedImage" in page
    assert "With too few genuine signatures: few." in page
    assert "| 2 | 2 | skilled forgeries |" in page
    rows = [line for line in page.splitlines() if line.startswith("| s") and line[3].isdigit()]
    assert len(rows) == 6
    assert "marked" not in page


def test_warnings_come_first_and_mark_every_table(make_report: Make) -> None:
    page = render_markdown(make_report(warnings=("A gate failed: paper",)))
    assert page.splitlines()[2] == "> **A gate failed: paper**"
    assert "## Error rates (marked: see the warnings)" in page
    assert "## Decisions at the frozen thresholds (marked: see the warnings)" in page


@pytest.mark.parametrize("skilled", [True, False])
@pytest.mark.parametrize("decided", [True, False])
def test_every_table_row_is_as_wide_as_its_header(
    make_report: Make, skilled: bool, decided: bool
) -> None:
    block: list[int] = []
    report = make_report(skilled=skilled, decided=decided)
    found = IdentificationRates(
        references=2,
        signers=6,
        skipped=(),
        draws=1,
        searches=60,
        cmc=(RankRate(1, Rate(0.9, 0.8, 1.0)), RankRate(3, Rate(0.95, 0.9, 1.0))),
        open_set=(FixedFpir(0.01, 0.5, Rate(0.2, 0.1, 0.3), supported=False),),
        frozen=None,
    )
    report = replace(report, results=(replace(report.results[0], identification=found),))
    page = render_markdown(report)
    for line in [*page.splitlines(), ""]:
        if line.startswith("|"):
            block.append(line.count("|"))
        else:
            assert len(set(block)) <= 1
            block = []
    assert "| rank 1 | rank 3 | FNIR at FPIR 1% |" in page
    assert ("no thresholds, so nothing was decided" in page) is not decided
    assert ("| skilled forgeries | – | – | – |" in page) is (decided and not skilled)


def test_points_that_rest_on_too_few_forgeries_are_starred(make_report: Make) -> None:
    page = render_markdown(make_report())
    assert "\\*" in page
    assert "the point rests on none" in page
    report = make_report()
    result = report.results[0]
    points = tuple(replace(point, supported=True) for point in result.binary.fixed)
    supported = replace(result, binary=replace(result.binary, fixed=points), skipped=())
    page = render_markdown(replace(report, results=(supported,)))
    assert "\\*" not in page
    assert "too few genuine signatures" not in page


def test_a_replica_is_shown_with_its_caveat(make_report: Make) -> None:
    replica = {
        "caveat": "no forecast",
        "eer": {"value": 0.123456, "low": 0.1, "high": 0.2},
        "threshold": 0.5,
        "nothing": None,
        "signers": ["1", "2"],
        "nobody": [],
        "inner": {"pairs": 3},
        "rows": [
            {
                "name": "blur",
                "rate": {"value": 0.5, "low": 0.4, "high": 0.6},
                "at_accept": {"fnmr": None, "fmr": 0.25},
            }
        ],
    }
    assert render_replica(replica) == [
        "- caveat: no forecast",
        "- eer: 0.1235 (0.1000–0.2000)",
        "- threshold: 0.5",
        "- signers: 1, 2",
        "- nobody: none",
        "- inner:",
        "  - pairs: 3",
        "- rows:",
        "",
        "| name | rate | at accept: fnmr | at accept: fmr |",
        "| --- | --- | --- | --- |",
        "| blur | 0.5000 (0.4000–0.6000) | – | 0.25 |",
        "",
    ]
    report = make_report()
    subject = replace(report.subject, protocol=Protocol.P3, unusable=(), left_out=())
    page = render_markdown(replace(report, subject=subject, results=(), replica=replica))
    assert "- caveat: no forecast" in page
    assert "## Error rates" not in page
    assert "could not serve: 0" in page


def test_every_protocol_has_a_title() -> None:
    assert set(TITLES) == set(Protocol)
