from __future__ import annotations

import base64
import io
import os
import re
import stat
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from PIL import Image

from fakes import draw_signature
from sigvault.domain.comparison import Candidate, Decision
from sigvault.domain.errors import StorageFailed
from sigvault.domain.identifiers import EventNumber, SignerId
from sigvault.domain.image import QualityFinding
from sigvault.reporting import (
    IdentificationCase,
    render_collection,
    render_verification,
    write_page,
)
from sigvault.reporting.words import candidate_strength

HOSTILE = "<script>alert(1)</script>\"'&"

_VOID = {"br", "col", "hr", "img", "input", "link", "meta"}


class _Page(HTMLParser):
    """Collects what a browser would see: tags, attributes, text; and checks the nesting."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self._style = False
        self.feed(html)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag
        self._style = False

    def handle_data(self, data):
        if not self._style:
            self.text += data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _words(page: _Page) -> str:
    return " ".join(page.text.split())


@pytest.mark.parametrize(
    ("accept", "refuse", "headline"),
    [(-2.0, -2.0, "Accepted"), (2.0, -2.0, "Needs review"), (2.0, 2.0, "Refused")],
)
def test_says_the_decision_and_all_that_it_rests_on(make_case, accept, refuse, headline):
    case = make_case(accept=accept, refuse=refuse)

    text = _words(_Page(render_verification(case)))

    assert headline in text
    assert f"score {case.evidence.score.value:.3f}" in text
    for score in case.evidence.score.per_reference:
        for value in (score.cosine, score.distance, score.local):
            assert f"{value:.3f}" in text
        assert score.reference in text
    origin = case.evidence.threshold.origin
    for fact in (
        case.evidence.model,
        case.evidence.preprocessing,
        case.evidence.probe_digest,
        origin.data,
        origin.protocol,
        f"{origin.signers} signers",
        "10 % (5.0 % to 15 %)",
    ):
        assert fact.replace(" signers", "") in text


def test_is_one_file_that_asks_for_nothing_and_runs_nothing(make_case):
    page = _Page(render_verification(make_case()))

    assert not page.attributes("script")
    assert not page.attributes("link")
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("data:image/png;base64,", "#")), value
    assert "url(" not in render_verification(make_case())
    assert "@import" not in render_verification(make_case())


def test_pictures_are_whole_and_ink_views_have_the_canvas_size(make_case):
    case = make_case()

    sources = [each["src"] for each in _Page(render_verification(case)).attributes("img")]

    assert len(sources) == 2 * (1 + len(case.references))
    sizes = []
    for source in sources:
        data = base64.b64decode(source.removeprefix("data:image/png;base64,"), validate=True)
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            sizes.append(picture.size[::-1])
    assert sizes[1::2] == [case.probe.prepared.ink.ink.shape] * 4


def test_whatever_comes_from_outside_is_escaped(make_case):
    finding = QualityFinding(HOSTILE, 1.0, 2.0, HOSTILE, False, HOSTILE)
    case = make_case(signer=HOSTILE, title=HOSTILE, note=HOSTILE, findings=(finding,))

    html = render_verification(case)
    page = _Page(html)

    assert "<script" not in html
    assert not page.attributes("script")
    assert page.text.count("alert(1)") >= 5


def test_quality_findings_are_listed_with_value_and_limit(make_case):
    finding = QualityFinding("low_resolution", 92.0, 120.0, "pixels", False, "Scan it larger.")

    text = _words(_Page(render_verification(make_case(findings=(finding,)))))

    assert "Low resolution: Scan it larger. Measured 92 pixels, limit 120." in text
    assert "Nothing was found wrong" not in text


def test_collection_has_an_index_whose_links_lead_somewhere(make_case, make_picture):
    cases = [make_case(title="One"), make_case(draw_signature(2), title="Two")]
    evidence = cases[0].evidence
    candidate = Candidate(1, SignerId("1"), evidence.score, evidence.llr, Decision.REVIEW)
    identification = IdentificationCase(
        title="Three",
        candidates=(candidate,),
        decision=Decision.REVIEW,
        searched=30,
        event=EventNumber(9),
        probe=make_picture(draw_signature(1, 8)),
    )

    page = _Page(render_collection("All", "An introduction.", cases, [identification]))

    links = [each["href"] for each in page.attributes("a")]
    anchors = [f"#{each['id']}" for _, each in page.tags if "id" in each]
    assert links == anchors
    assert len(set(links)) == 3
    text = _words(page)
    assert "An introduction." in text
    assert "Perhaps signer 1: needs review" in text
    assert "30 references searched." in text


def test_identification_tells_of_a_copy(make_case, make_picture):
    evidence = make_case().evidence
    copied = evidence.score.per_reference[0].reference
    candidate = Candidate(1, SignerId("1"), evidence.score, 1.0, Decision.REVIEW, copied)
    probe = make_picture(draw_signature(1))
    case = IdentificationCase("Search", (candidate,), Decision.REVIEW, 3, EventNumber(3), probe)

    text = _words(_Page(render_collection("All", "", [], [case])))

    assert "perhaps a copy of a reference" in text
    assert "turned" not in text


def test_identification_tells_of_a_tracing(make_case, make_picture):
    evidence = make_case().evidence
    traced = evidence.score.per_reference[0].reference
    candidate = Candidate(
        1, SignerId("1"), evidence.score, 1.0, Decision.REVIEW, copied=None, traced=traced
    )
    case = IdentificationCase(
        *("Search", (candidate,), Decision.REVIEW, 3, EventNumber(3)),
        make_picture(draw_signature(1)),
    )

    text = _words(_Page(render_collection("All", "", [], [case])))

    assert "perhaps traced from a reference" in text
    assert "perhaps a copy" not in text


def test_identification_tells_that_a_copy_was_turned(make_case, make_picture):
    score = make_case().evidence.score
    first, *others = score.per_reference
    turned = replace(score, per_reference=(replace(first, turned=first.local + 0.05), *others))
    candidate = Candidate(1, SignerId("1"), turned, 1.0, Decision.REVIEW, first.reference)
    probe = make_picture(draw_signature(1))
    case = IdentificationCase("Search", (candidate,), Decision.REVIEW, 3, EventNumber(3), probe)

    text = _words(_Page(render_collection("All", "", [], [case])))

    assert "perhaps a copy of a reference once it is turned a little" in text


def test_identification_without_candidates_says_so(make_picture):
    probe = make_picture(draw_signature(1))
    case = IdentificationCase("Search", (), Decision.REFUSE, 0, EventNumber(3), probe)

    text = _words(_Page(render_collection("All", "", [], [case])))

    assert "No signer found" in text
    assert "0 references searched." in text


def test_pictures_of_other_references_are_refused(make_case):
    case = make_case()
    object.__setattr__(case, "references", case.references[::-1])

    with pytest.raises(ValueError, match="not those of the references"):
        render_verification(case)


def test_colours_are_only_named_once_for_each_scheme(make_case):
    """A colour outside the variables would not follow the reader's light or dark scheme."""
    style = re.search(r"<style>(.*?)</style>", render_verification(make_case()), re.S)
    assert style is not None
    rules = re.sub(r"(?:--[a-z-]+:\s*#[0-9a-f]{6};\s*)+|\.t\d [^}]*}", "", style[1])
    assert "#" not in rules


def test_page_is_written_whole_with_usual_permissions(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    mask = os.umask(0o022)
    try:
        write_page(path, "new")
    finally:
        os.umask(mask)

    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_page_that_cannot_be_written_leaves_nothing(tmp_path):
    path = tmp_path / "report.html"
    path.mkdir()

    with pytest.raises(StorageFailed, match="choose another place"):
        write_page(path, "new")

    assert list(tmp_path.iterdir()) == [path]


def test_a_probe_that_was_straightened_is_shown_so(make_case):
    case = make_case()
    score = replace(case.evidence.score, straightened=-23.2)
    turned = replace(case, evidence=replace(case.evidence, score=score))
    page, plain = (_Page(render_verification(each)) for each in (turned, case))
    assert "Probe, its ink turned back by 23 degrees" in page.text
    assert "23.2 degrees clockwise, before it was compared" in page.text
    assert "turned" not in plain.text


def test_a_candidate_tells_that_the_picture_was_turned_back_for_it(make_case):
    evidence = make_case().evidence
    score = replace(evidence.score, straightened=21.4)
    level, turned = (
        Candidate(1, SignerId("1"), each, 2.0, Decision.ACCEPT) for each in (evidence.score, score)
    )
    assert (
        candidate_strength(turned)
        == f"{candidate_strength(level)}, the picture turned back by 21 degrees"
    )
