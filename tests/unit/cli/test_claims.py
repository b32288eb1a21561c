"""``verify --manifest``: many claims, one result each, and none decided twice for nothing."""

from __future__ import annotations

import csv

import pytest

from sigvault.cli.claims import COLUMNS, ClaimResult, code_of_claims
from sigvault.domain.comparison import Decision
from sigvault.services import verification


@pytest.fixture
def claims(enrolled, draw, tmp_path):
    """A manifest of three claims that can be decided and three that can't."""
    draw(1, 9).rename(tmp_path / "here.png")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    rows = [
        ("1", "here.png"),
        ("2", str(draw(2, 9))),
        ("1", "torn.png"),
        ("9", str(draw(1, 8))),
        ("2", "missing.png"),
        ("2", str(draw(1, 7))),
    ]
    manifest = tmp_path / "claims.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "note", "signer"), *((p, "x", s) for s, p in rows)])
    return manifest


def _rows(path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _events(run) -> int:
    return sum(
        event["kind"] == "verified" for event in run("audit", "log", "--json").document["events"]
    )


def test_each_claim_gets_its_own_answer_as_by_itself(run, claims, tmp_path):
    outcome = run("verify", "--manifest", claims, "--json")

    assert outcome.code == 4
    document = outcome.document
    errors = [(result["error"] or "").split(":")[0] for result in document["results"]]
    assert errors == ["", "", "UnsupportedImage", "UnknownSigner", "UnreadableFile", ""]
    assert document["failed"] == 3
    assert document["accept"] + document["review"] + document["refuse"] == 3
    assert document["error"] == {
        "name": "UnsupportedImage",
        "message": "3 of 6 claims could not be decided",
    }
    first = document["results"][0]
    alone = run("verify", "--signer", "1", tmp_path / "here.png", "--json").document
    assert list(first) == list(COLUMNS)
    assert first["decision"] == alone["decision"]
    assert first["probe_sha256"] == alone["probe_digest"]
    assert first["llr"] == pytest.approx(alone["llr"], abs=1e-3)
    assert first["score"] == pytest.approx(alone["score"], abs=1e-4)
    assert first["references"] == len(alone["references"])
    assert first["findings"] == [finding["name"] for finding in alone["findings"]]
    assert document["results"][2] | {"error": ""} == dict.fromkeys(COLUMNS) | {
        "signer": "1",
        "path": "torn.png",
        "findings": [],
        "error": "",
    }


def test_people_see_every_claim_and_the_counts(run, claims):
    outcome = run("verify", "--manifest", claims)

    assert "UnknownSigner" in outcome.out
    assert "here.png" in outcome.out
    assert "6 claims: " in outcome.out
    assert "3 of 6 claims could not be decided" in outcome.err


def test_of_many_those_are_listed_that_somebody_has_to_look_at(run, enrolled, draw, tmp_path):
    picture = draw(1, 9)
    manifest = tmp_path / "many.csv"
    lines = [f"1,{picture}\n" for _ in range(41)]
    manifest.write_text("signer,path\n" + "".join(lines) + "9,nobody.png\n", encoding="utf-8")
    documented = run("verify", "--manifest", manifest, "--json").document
    assert documented["accept"] == 41
    assert documented["results"][0]["findings"] == []

    shown = run("verify", "--manifest", manifest).out

    assert picture.name not in shown
    assert "nobody.png" in shown
    assert "42 claims: 41 accept, 0 review, 0 refuse, 1 failed" in shown


@pytest.mark.parametrize(
    ("decisions", "code"),
    [
        (["accept", "accept"], 0),
        (["accept", "review"], 3),
        (["review", "refuse", "accept"], 1),
        (["accept", ""], 4),
        (["refuse", "", "review"], 4),
    ],
)
def test_the_exit_code_is_the_worst_of_them(decisions, code):
    results = [
        ClaimResult("1", "a.png", Decision(each) if each else None, error=None if each else "x")
        for each in decisions
    ]
    assert code_of_claims(results) == code


def test_results_are_kept_and_only_what_is_missing_or_changed_is_decided_again(
    run, claims, draw, tmp_path
):
    kept = tmp_path / "results.csv"
    run("verify", "--manifest", claims, "--results", kept)
    first, events = _rows(kept), _events(run)
    assert [bool(row["decision"]) for row in first] == [True, True, False, False, False, True]

    draw(2, 5).rename(tmp_path / "missing.png")
    draw(1, 6).replace(tmp_path / "here.png")
    document = run("verify", "--manifest", claims, "--results", kept, "--json").document

    assert _events(run) == events + 2, "the one that was missing and the one that is another now"
    second = {(row["signer"], row["path"]): row for row in _rows(kept)}
    assert len(second) == len(document["results"]) == 6
    assert second["2", "missing.png"]["decision"]
    assert second["1", "here.png"]["event"] != first[0]["event"]
    assert second["2", first[1]["path"]] == first[1]
    assert document["results_file"] == str(kept)


def test_what_was_decided_before_an_interruption_is_kept(run, claims, monkeypatch, tmp_path):
    kept, calls, plain = tmp_path / "results.csv", [], verification.verify

    def interrupted(*arguments, **named):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return plain(*arguments, **named)

    monkeypatch.setattr(verification, "verify", interrupted)
    outcome = run("verify", "--manifest", claims, "--results", kept)

    assert outcome.code == 130
    assert "1 of 6 claims were decided; the same command decides the others" in outcome.err
    assert [row["decision"] != "" for row in _rows(kept)] == [True]
    event = _rows(kept)[0]["event"]
    with kept.open("a", encoding="utf-8") as file:
        file.write('2,"half a li')  # as a power cut would leave it
    run("verify", "--manifest", claims, "--results", kept)
    assert _rows(kept)[0]["event"] == event
    assert len(_rows(kept)) == 6


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--manifest", "claims.csv", "--signer", "1"), "--signer is for one claim"),
        (("--manifest", "claims.csv", "here.png"), "IMG is for one claim"),
        (("--manifest", "claims.csv", "--report", "r.html"), "--report is for one claim"),
        (("here.png", "--signer", "1", "--results", "r.csv"), "--results"),
        (("here.png",), "give a picture and --signer, or --manifest"),
        (("--signer", "1"), "give a picture and --signer, or --manifest"),
        ((), "give a picture and --signer, or --manifest"),
    ],
)
def test_what_does_not_go_together_is_said_so(run, claims, arguments, told, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    outcome = run("verify", *arguments)

    assert outcome.code == 2
    assert told in " ".join(outcome.err.split())


def test_what_is_no_manifest_and_no_file_of_results_is_left_alone(run, claims, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n", encoding="utf-8")
    events = _events(run)

    assert "has no column signer and no column path" in run("verify", "--manifest", other).err
    refused = run("verify", "--manifest", claims, "--results", other)
    nowhere = run("verify", "--manifest", claims, "--results", tmp_path / "no" / "r.csv")

    assert refused.code == nowhere.code == 4
    assert "holds no results of sigvault verify: give another file" in refused.err
    assert "there is no folder" in nowhere.err
    assert other.read_text(encoding="utf-8") == "a,b\n1,2\n"
    assert _events(run) == events
