from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser

import pytest
from evaluation_reports import (
    gates_of,
    made_up_results,
    make_signers,
    make_subject,
    measure_signers,
    no_gates,
)

from sigvault.domain.comparison import Rate
from sigvault.domain.identifiers import SignerId
from sigvault.domain.protocol import Protocol
from sigvault.evaluation.gates import Copy
from sigvault.evaluation.literature_pairs import CAVEAT, run_literature_pairs
from sigvault.evaluation.report import EvaluationReport
from sigvault.reporting.evaluation import draw_evaluation, render_evaluation
from sigvault.reporting.evaluation.page import lay_out
from sigvault.reporting.evaluation.replica_tables import replica_sections

HOSTILE = "<script>alert(1)</script>\"'&"

_VOID = {"br", "img", "meta"}


class _Page(HTMLParser):
    """What a browser would see: tags with attributes, text, and scripts; checks the nesting."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self._text: list[str] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    @property
    def text(self) -> str:
        return " ".join("".join(self._text).split())

    def handle_starttag(self, tag, attrs):
        self._text.append(" " if tag in {"td", "th", "dd", "li"} else "")
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        tag, attributes = self._open[-1] if self._open else ("", {})
        if tag == "script":
            self.scripts.append((attributes, data))
        elif tag != "style":
            self._text.append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _report(**changes) -> EvaluationReport:
    return EvaluationReport(**{"subject": make_subject(), "gates": no_gates(), **changes})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make_signers(6, folder=tmp_path_factory.mktemp("signatures"))


@pytest.fixture(scope="module")
def whole(files):
    """A report of all that there can be, its sections and its page."""
    subject = make_subject(
        warnings=("NOT INDEPENDENT: a sentence.",),
        unusable=("blank.png: no ink",),
        left_out=tuple(SignerId(f"known{number}") for number in range(14)),
    )
    gates = replace(
        gates_of(files),
        failures=("paper median separates genuine from forged",),
        copies=(Copy("/data/one/a.png", "/data/two/b.png", SignerId("1"), SignerId("2"), 0.99),),
    )
    report = EvaluationReport(subject, gates, measure_signers(files, (1, 3)))
    return report, tuple(lay_out(report, files)), render_evaluation(report, files)


def test_page_is_well_formed_and_names_each_part_once(whole):
    page = _Page(whole[2])

    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    for link in page.attributes("a"):
        assert link["href"].removeprefix("#") in names


def test_page_asks_for_nothing(whole):
    page = _Page(whole[2])

    assert not page.attributes("link")
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "srcset", "action", "data"):
            value = attributes.get(name) or "#"
            assert value.startswith(("data:image/svg+xml;", "data:image/jpeg;", "#")), value
    styles = re.search(r"<style>(.*?)</style>", whole[2], re.DOTALL)
    assert styles is not None
    assert "url(" not in styles[1]
    assert "@import" not in styles[1]
    policy = page.attributes("meta")[1]["content"]
    assert policy.startswith("default-src 'none'; img-src data: blob:")
    assert "http" not in policy


def test_plotly_lies_in_the_page_once_and_runs_when_asked(whole):
    page = _Page(whole[2])

    kinds = [attributes.get("type") for attributes, _ in page.scripts]
    assert kinds == ["application/json", "text/plain", None]
    figure = json.loads(page.scripts[0][1])
    assert {trace["type"] for trace in figure["data"]} == {"scatter3d"}
    assert len(page.scripts[1][1]) > 1_000_000
    assert "Plotly.newPlot" in page.scripts[2][1]


def test_no_script_and_no_leave_to_run_one_without_the_three_dimensional_view():
    page = _Page(render_evaluation(_report()))

    assert not page.scripts
    assert "script-src" not in page.attributes("meta")[1]["content"]
    assert "Embeddings" not in page.text


def test_warnings_and_failures_come_before_every_figure(whole):
    text = _Page(whole[2]).text

    first = text.index("What was measured")
    for sentence in (
        "Don't take these figures at face value",
        "NOT INDEPENDENT: a sentence.",
        "A gate failed: paper median separates genuine from forged",
    ):
        assert text.index(sentence) < first
        assert text.index(sentence) < text.index("equal error rate")


def test_every_table_of_error_rates_is_marked_where_a_gate_failed(whole):
    _, sections, html = whole
    tables = [table for section in sections for table in section.tables]

    captions = re.findall(r"<caption><span>(.*?)</span></caption>", html, re.DOTALL)

    assert len(captions) == len(tables)
    marked = {table.title for table in tables if table.rates}
    assert {"Error rates", "Decisions at the frozen thresholds"} <= marked
    for caption in captions:
        title = re.split(" <strong", caption)[0].strip()
        assert ("(marked: a gate failed)" in caption) is (title in marked), title


def test_failure_that_is_among_the_warnings_is_said_once():
    failure = "the session test tells the sessions apart"
    report = _report(
        subject=make_subject(warnings=(f"A gate failed: {failure}",)),
        gates=no_gates(failure),
        results=(),
    )

    banner = re.search(r'role="alert">(.*?)</section>', render_evaluation(report), re.DOTALL)

    assert banner is not None
    assert banner[1].count(failure) == 1


def test_warning_without_a_failed_gate_marks_tables_too():
    report = _report(
        subject=make_subject(Protocol.P5, warnings=("A demonstration.",)), replica={"figure": 1}
    )

    html = render_evaluation(report)

    assert "(marked: see the warnings above)" in html
    assert "a gate failed)" not in html


def test_nothing_is_marked_where_nothing_is_wrong():
    text = _Page(render_evaluation(_report(replica={"figure": 1}))).text

    assert "Figures Figure Value Figure 1" in text
    assert "No gate failed, and nothing is known against these figures." in text
    assert "marked:" not in text


def test_clear_verdict_says_how_much_was_not_asked():
    report = _report(results=(), gates=no_gates(not_asked=("the session test: not run",)))

    text = _Page(render_evaluation(report)).text

    assert "No gate that was asked failed; 1 question could not be asked." in text
    assert "Not asked: the session test: not run" in text


def test_every_picture_has_its_title_and_caption(whole):
    _, sections, html = whole
    page = _Page(html)

    drawings = [one for section in sections for one in section.drawings]

    assert {one.name for one in drawings} >= {
        "det_skilled",
        "det_random",
        "roc_skilled",
        "roc_random",
        "scores_1",
        "confusion_3",
        "reliability_1",
        "signers_3",
        "cmc",
        "open_set",
        "map_pca",
        "map_neighbours",
    }
    for one in drawings:
        assert one.caption
        assert one.title in page.text
    alternatives = {image["alt"] for image in page.attributes("img")}
    assert {one.title for one in drawings} <= alternatives


def test_says_what_was_measured_and_the_headline_figures(whole):
    report, _, html = whole
    text = _Page(html).text
    result = report.results[1]
    rate = result.skilled_eer.rate

    for fact in (
        report.subject.model,
        report.subject.choices,
        "mean of the best 3, local weight 0.50",
        "known0, known1",
        "and 2 more",
        "blank.png: no ink",
        f"{_per_cent(rate.value)} % ({_per_cent(rate.low)} to {_per_cent(rate.high)} %)",
        "FNMR at FMR 1 %",
        "Skilled FMR at FMR 0.1 %",
        "FNIR at FPIR 5 %",
        "minDCF, skilled forgeries, 1 % genuine",
        "Triplet loss, skilled forgeries",
        "two/b.png",
    ):
        assert fact in text, fact
    assert "/data/" not in text


def test_unsupported_points_carry_a_star_that_is_explained(whole):
    report, _, html = whole
    assert not report.results[0].binary.fixed[1].supported

    text = _Page(html).text

    assert re.search(r" FNMR at FMR 0.1 % \S+ % \*", text)
    assert "* Fewer than 3 / FMR distinct random forgeries" in text


def test_hardest_errors_show_both_pictures_and_what_the_threshold_said(whole):
    report, _, html = whole
    page = _Page(html)
    hardest = [error for result in report.results for error in result.hardest]

    jpegs = [one for one in page.attributes("img") if one["src"].startswith("data:image/jpeg")]

    assert len(jpegs) == 2 * len(hardest)
    assert all(int(one["width"]) <= 320 for one in jpegs)
    for error in hardest:
        assert f"Claimed signer {error.signer}, score {error.score:.3f}" in page.text
    assert page.text.count("at the frozen point: wrong") == sum(bool(e.wrong) for e in hardest)


def test_files_that_are_gone_or_damaged_leave_placeholders(tmp_path):
    signers = make_signers(5, folder=tmp_path)
    results = measure_signers(signers, (1,), identify=False)
    for number, file in enumerate(sorted(tmp_path.iterdir())):
        if number % 2:
            file.unlink()
        else:
            file.write_bytes(b"\x89PNG\r\n\x1a\n damaged")

    page = _Page(render_evaluation(_report(results=results)))

    assert page.text.count("The file can't be read any more.") == 2 * len(results[0].hardest)
    assert not [one for one in page.attributes("img") if "jpeg" in one["src"]]
    assert str(tmp_path) not in page.text


def test_parts_that_there_is_nothing_for_are_left_out():
    signers = make_signers(6, skilled=False)
    results = measure_signers(signers, (1,), frozen=False, identify=False)

    text = _Page(render_evaluation(_report(results=results))).text
    pictures = draw_evaluation(_report(results=results))

    assert set(pictures) == {"det_random.svg", "roc_random.svg", "scores_1.svg", "signers_1.svg"}
    for absent in (
        "Decisions",
        "Identification",
        "hardest errors",
        "could not serve They",
        "AUC, skilled",
    ):
        assert absent not in text
    assert "No threshold was frozen beforehand." in text


def test_data_without_skilled_forgeries_make_a_page_without_them():
    signers = make_signers(6, skilled=False)
    results = measure_signers(signers, (1,), identify=False)

    page = _Page(render_evaluation(_report(results=results), signers))

    assert "equal error rate against random forgeries" in page.text
    for part in ("Recall, random", "against random forgeries, both kinds", "to be turned around"):
        assert part in page.text
    for absent in ("Accuracy, skilled", "Skilled forgeries: accept", "DET curves, skilled"):
        assert absent not in page.text
    names = [trace["name"] for trace in json.loads(page.scripts[0][1])["data"]]
    assert "link to a skilled forgery" not in names


def test_same_report_gives_the_same_bytes(files):
    report = _report(results=measure_signers(files, (1,)))

    assert render_evaluation(report, files) == render_evaluation(report, files)


def test_names_from_outside_are_harmless():
    result = made_up_results((1, 3))[0]
    signers = tuple(
        replace(own, signer=SignerId(f"{HOSTILE}{number}$x_1$"))
        for number, own in enumerate(make_signers(3))
    )
    hostile = replace(
        result,
        per_signer=tuple(replace(one, signer=SignerId(HOSTILE)) for one in result.per_signer),
        skipped=(SignerId(HOSTILE),),
    )
    subject = make_subject(data=HOSTILE, warnings=(HOSTILE,), unusable=(HOSTILE,))

    html = render_evaluation(_report(subject=subject, results=(hostile,)), signers, title=HOSTILE)

    assert "<script>alert" not in html
    page = _Page(html)
    assert len(page.scripts) == 3
    assert HOSTILE in page.text


def test_p0_shows_the_gates_alone(files):
    report = EvaluationReport(make_subject(Protocol.P0), gates_of(files))

    page = _Page(render_evaluation(report))

    assert "P0: the gates" in page.text
    assert "What the model sees" in page.text
    assert "What the scans held before preprocessing" in page.text
    assert "Session test" in page.text
    assert "Error rates R is" not in page.text
    assert not page.attributes("img")


def test_replica_shows_its_caveat_first_and_its_figures():
    signers = make_signers(5)
    result = run_literature_pairs(signers, make_subject().rules[0], 0.5, bootstraps=20)
    replica = {"all signers": asdict(result), "last tenth": asdict(result)}
    report = EvaluationReport(make_subject(Protocol.P2), no_gates(), (), replica)

    html = render_evaluation(report)
    page = _Page(html)

    assert html.count('role="alert"') == 1
    assert page.text.count(CAVEAT) == 1
    assert page.text.index(CAVEAT) < page.text.index("What was measured")
    eer = result.eer.rate
    assert re.search(rf"EER {_per_cent(eer.value)} % \({_per_cent(eer.low)} to", page.text)
    assert f"AUC {result.auc.value:.4f}" in page.text
    assert page.text.count("Genuine pairs 140") == 2
    assert "(marked: see the warnings above)" in page.text


def _per_cent(value: float) -> str:
    return "0" if value == 0 else f"{100 * value:.1f}" if value >= 0.09995 else f"{100 * value:.2f}"


def test_lists_of_results_become_tables_with_the_remarks_first():
    rate = asdict(Rate(0.2, 0.1, 0.3))
    replica = {
        "remarks": ("Few signers.",),
        "sample": {"signers": None, "genuine": 6, "even": True},
        "eer": {"threshold": 0.25},
        "signers": tuple(str(number) for number in range(30)),
        "nested": {"rows": [{"name": "inner"}]},
        "skipped": (),
        "threshold": 0.5,
        "rows": (
            {"disturbance": None, "at_accept": {"fnmr": rate}, "skilled_change": None},
            {"disturbance": "blur", "at_accept": {"fnmr": rate}, "skilled_change": rate},
        ),
    }
    report = EvaluationReport(make_subject(Protocol.P5), no_gates(), (), replica)

    text = _Page(render_evaluation(report)).text
    figures, nested, rows = replica_sections(replica)[0].tables

    assert text.index("Few signers.") < text.index("What was measured")
    assert [[cell.text for cell in row] for row in figures.rows] == [
        ["Sample: signers", "none"],
        ["Sample: genuine", "6"],
        ["Sample: even", "yes"],
        ["EER: threshold", "0.25"],
        ["Signers", ", ".join(map(str, range(24))) + " and 6 more"],
        ["Skipped", "none"],
        ["Threshold", "0.5"],
    ]
    assert nested.title == "Nested: rows"
    assert rows.head == ("Disturbance", "At accept: FNMR", "Skilled change")
    assert [cell.text for cell in rows.rows[1]] == ["blur", "20.0 %", "20.0 %"]
    assert rows.rows[1][1].detail == "(10.0 to 30.0 %)"


def test_replica_of_nothing_but_tables_has_no_empty_table():
    (section,) = replica_sections({"rows": [{"name": "one"}]})

    assert [table.title for table in section.tables] == ["Rows"]
