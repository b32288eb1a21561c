"""Every command once as a person runs it and once as a program does."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing

import pytest
from command_line import write_dataset
from PIL import Image

from fakes import FakeEmbedder, draw_blank
from sigvault.domain.serialisation import threshold_from_dict
from sigvault.domain.verbal_scale import describe_llr
from sigvault.embedding.card import bundled_model, read_card


def test_init_makes_a_vault_and_status_shows_it(run, tmp_path, monkeypatch):
    vault = tmp_path / "vault"
    monkeypatch.setenv("SIGVAULT_VAULT", str(vault))

    made = run("init", "--json")
    again = run("init", "--json")
    status = run("status", "--json")

    assert made.document == status.document
    assert again.code == 4
    assert again.error == "VaultExists"
    assert status.code == 0
    assert status.document["location"] == str(vault)
    assert status.document["signers"] == 0
    assert str(vault) in run("status").out


def test_vault_option_wins_over_the_variable(run, vault, tmp_path):
    other = tmp_path / "other"

    assert run("--vault", other, "init").code == 0
    assert run("--vault", other, "status", "--json").document["location"] == str(other)


def test_enroll_reports_each_image(run, vault, draw, tmp_path):
    blank = tmp_path / "blank.png"
    blank.write_bytes(draw_blank())
    images = [draw(1, 0), draw(1, 1)]

    first = run("enroll", "--signer", "1", "--name", "Ada", *images, blank, "--json")
    second = run("enroll", "--signer", "1", *images, "--json")

    assert first.code == 4
    assert first.error == "FailureToEnroll"
    assert (first.document["enrolled"], first.document["failed"]) == (2, 1)
    outcomes = [result["outcome"] for result in first.document["results"]]
    assert outcomes == ["enrolled", "enrolled", "failed"]
    assert first.document["results"][2]["findings"][0]["name"] == "blank"
    assert second.code == 0
    assert second.document["already"] == 2
    shown = run("signers", "show", "1", "--json").document
    assert shown["summary"]["name"] == "Ada"
    assert len(shown["references"]) == 2


def test_enroll_for_people_names_failures(run, vault, draw, tmp_path):
    missing = tmp_path / "missing.png"

    outcome = run("enroll", "--signer", "1", draw(1), missing)

    assert outcome.code == 4
    assert "1 enrolled, 0 already there, 1 failed" in outcome.out
    assert "UnreadableFile" in outcome.out
    assert "1 of 2 images could not be enrolled" in outcome.err


def test_same_image_under_another_signer_takes_force(run, vault, draw):
    image = draw(1)
    assert run("enroll", "--signer", "1", image).code == 0

    refused = run("enroll", "--signer", "2", image, "--json")
    forced = run("enroll", "--signer", "2", image, "--force", "--json")

    assert refused.code == 4
    assert refused.error == "DuplicateAcrossSigners"
    assert forced.document["enrolled"] == 1


def test_enroll_dataset_takes_genuine_ones_and_lists_what_does_not_fit(run, vault, draw, tmp_path):
    root = tmp_path / "data"
    for signer in (1, 2):
        for kind, first in (("genuine", 0), ("forged", 10)):
            folder = root / kind / str(signer)
            folder.mkdir(parents=True)
            for number in range(3):
                draw(signer, first + number).rename(folder / f"{number}.png")
    (root / "notes.txt").write_text("no picture")

    outcome = run("enroll", "--dataset", root, "--per-signer", "2", "--json")

    assert outcome.code == 0
    assert outcome.document["enrolled"] == 4
    assert "layout folders, 2 signers, 6 genuine" in outcome.err
    assert "6 forgeries, 1 files that don't fit" in outcome.err
    assert "skipped" in outcome.err
    assert "notes.txt" in outcome.err


def test_enroll_manifest_starts_from_its_own_folder(run, vault, draw, tmp_path):
    draw(1), draw(2)
    manifest = tmp_path / "list.csv"
    with manifest.open("w", newline="") as file:
        csv.writer(file).writerows([("signer", "path"), ("1", "1_0.png"), ("2", "2_0.png")])

    outcome = run("enroll", "--manifest", manifest, "--json")

    assert outcome.code == 0
    assert [result["signer"] for result in outcome.document["results"]] == ["1", "2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("who,path\n1,a.png\n", "has no column signer"),
        ("", "has no column signer and no column path"),
        ("signer,path\n1,\n", "line 2"),
        ("signer,path\n", "names no picture"),
        ('signer,path\n1,"a\n', "can't be read as a table"),
    ],
)
def test_a_bad_manifest_enrolls_nothing(run, vault, tmp_path, content, message):
    manifest = tmp_path / "list.csv"
    manifest.write_text(content)

    outcome = run("enroll", "--manifest", manifest, "--json")

    assert outcome.code == 4
    assert outcome.error == "ConfigurationError"
    assert message in outcome.err
    assert run("status", "--json").document["references"] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--signer", "1"),
        ("a.png",),
        ("--signer", "1", "--dataset", "x", "a.png"),
        ("--dataset", "x", "a.png"),
        ("--manifest", "x.csv", "--name", "Ada"),
        ("--manifest", "x.csv", "--per-signer", "3"),
        ("--dataset", "x", "--per-signer", "0"),
        ("--dataset", "x", "--layout", "unheard-of"),
    ],
)
def test_enroll_takes_exactly_one_source(run, vault, arguments):
    outcome = run("enroll", *arguments, "--json")

    assert outcome.code == 2
    assert outcome.error == "UsageError"
    assert "sigvault enroll --help" in outcome.err


@pytest.mark.parametrize(
    ("accept", "refuse", "decision", "code"),
    [(0.0, 0.0, "accept", 0), (1.9, 1.9, "refuse", 1), (1.9, 0.0, "review", 3)],
)
def test_verify_ends_with_the_decision(run, tmp_path, draw, accept, refuse, decision, code):
    embedder = FakeEmbedder()
    thresholds = embedder.card.thresholds
    for threshold in thresholds:
        object.__setattr__(threshold, "accept", accept)
        object.__setattr__(threshold, "refuse", refuse)
    run("--vault", tmp_path / "v", "init", embedder=embedder)
    run("--vault", tmp_path / "v", "enroll", "--signer", "1", draw(1, 0), embedder=embedder)
    arguments = ("--vault", tmp_path / "v", "verify", "--signer", "1", draw(1, 9))

    as_program = run(*arguments, "--json", embedder=embedder)
    as_person = run(*arguments, embedder=embedder)

    assert as_program.code == as_person.code == code
    assert as_program.document["decision"] == decision
    assert as_person.out.startswith(decision)


def test_verify_prints_all_that_the_decision_rests_on(run, enrolled, draw):
    outcome = run("verify", "--signer", "1", draw(1, 9), "--json")

    document = outcome.document
    assert set(document) == {
        "signer",
        "decision",
        "score",
        "llr",
        "llr_words",
        "threshold",
        "references",
        "spread",
        "straightened",
        "fusion",
        "findings",
        "probe_digest",
        "model",
        "preprocessing",
        "generation",
        "event",
        "report",
    }
    assert document["signer"] == "1"
    assert document["llr_words"] == describe_llr(document["llr"])
    assert threshold_from_dict(document["threshold"]).references == 3
    assert len(document["references"]) == 3
    assert set(document["references"][0]) == {"reference", "cosine", "distance", "local"}
    assert document["spread"]["cosine"] == pytest.approx(1.0, abs=0.3)
    log = run("audit", "log", "--json").document["events"]
    assert log[document["event"] - 1]["kind"] == "verified"


def test_verify_writes_a_report(run, enrolled, draw, tmp_path):
    report = tmp_path / "report.html"

    outcome = run("verify", "--signer", "1", draw(1, 9), "--report", report, "--json")

    html = report.read_text()
    assert outcome.document["report"] == str(report)
    assert html.startswith("<!DOCTYPE html>")
    assert outcome.document["model"] in html
    assert html.count("data:image/png") == 2 * 4 + 1


def test_verify_and_its_report_say_that_fewer_references_were_measured(
    run, enrolled, draw, tmp_path
):
    """The fake's thresholds go up to five references."""
    run("enroll", "--signer", "1", *(draw(1, number) for number in range(3, 6)))
    report = tmp_path / "report.html"

    shown = run("verify", "--signer", "1", draw(1, 9), "--report", report).out

    told = "measured with 5, while the signer has 6: scores rise with more references"
    assert told in " ".join(shown.split())
    assert told in " ".join(report.read_text().split())


def test_verify_finds_out_early_that_a_report_has_no_place(run, enrolled, draw, tmp_path):
    before = run("status", "--json").document["events"]

    outcome = run("verify", "--signer", "1", draw(1, 9), "--report", tmp_path / "no" / "r.html")

    assert outcome.code == 2
    assert "--report" in outcome.err
    assert run("status", "--json").document["events"] == before


def test_identify_ranks_the_signers(run, enrolled, draw):
    outcome = run("identify", draw(2, 9), "--top", "1", "--json")

    document = outcome.document
    assert outcome.code == {"accept": 0, "review": 3, "refuse": 1}[document["decision"]]
    assert [candidate["signer"] for candidate in document["candidates"]] == ["2"]
    assert document["searched"] == 6
    assert "this signer wrote it" in document["candidates"][0]["llr_words"]
    assert " 2 " in run("identify", draw(2, 9)).out


def test_identify_raises_an_alarm_on_a_copy(run, draw, tmp_path):
    embedder = FakeEmbedder(copy_limit=0.99)
    folder = tmp_path / "watchful"
    run("--vault", folder, "init", embedder=embedder)
    for number in range(3):
        run("--vault", folder, "enroll", "--signer", "1", draw(1, number), embedder=embedder)

    found = run("--vault", folder, "identify", draw(1, 2), "--json", embedder=embedder).document
    page = run("--vault", folder, "identify", draw(1, 2), embedder=embedder).out
    other = run("--vault", folder, "identify", draw(1, 9), "--json", embedder=embedder).document

    copied = found["candidates"][0]["copied"]
    assert copied == found["candidates"][0]["references"][2]["reference"]
    assert found["decision"] == "review"
    assert f"alarm: stroke for stroke like signer 1's reference {copied}" in page
    assert other["candidates"][0]["copied"] is None


def test_what_was_perhaps_traced_raises_an_alarm(run, draw, tmp_path):
    embedder = FakeEmbedder(copy_limit=0.9999, trace_limit=0.3)
    folder = tmp_path / "watchful"
    run("--vault", folder, "init", embedder=embedder)
    for number in range(1):
        run("--vault", folder, "enroll", "--signer", "1", draw(1, number), embedder=embedder)

    found = run("--vault", folder, "identify", draw(1, 9), "--json", embedder=embedder).document
    page = " ".join(run("--vault", folder, "identify", draw(1, 9), embedder=embedder).out.split())
    verified = run("--vault", folder, "verify", "--signer", "1", draw(1, 9), embedder=embedder)

    traced = found["candidates"][0]["traced"]
    assert found["decision"] == "review"
    assert f"alarm: liker to signer 1's reference {traced}" in page
    assert verified.code == 3
    assert "perhaps traced from" in " ".join(verified.out.split())


def test_further_scans_are_told_at_enrollment_and_of_galleries_that_have_them(
    run, draw, tmp_path, monkeypatch
):
    embedder = FakeEmbedder(copy_limit=0.99)
    picture, again = draw(1, 1), tmp_path / "again.bmp"
    Image.open(picture).save(again)
    folder = tmp_path / "watchful"
    run("--vault", folder, "init", embedder=embedder)
    run("--vault", folder, "enroll", "--signer", "1", draw(1), picture, embedder=embedder)

    outcome = run("--vault", folder, "enroll", "--signer", "1", again, embedder=embedder)

    assert outcome.code == 0
    assert "another scan of reference" in " ".join(outcome.out.split())
    assert "0 enrolled, 1 already there, 0 failed" in outcome.out
    assert (
        "another scan" not in run("--vault", folder, "signers", "show", "1", embedder=embedder).out
    )
    with monkeypatch.context() as before:  # a gallery that is older than the check
        before.setattr("sigvault.services.repeated_scans.copy_limit_for", lambda *_: None)
        run("--vault", folder, "enroll", "--signer", "1", again, embedder=embedder)
    shown = run("--vault", folder, "signers", "show", "1", embedder=embedder).out
    assert "reference 3 is as like reference 2 as another scan of it" in " ".join(shown.split())
    document = run("--vault", folder, "signers", "show", "1", "--json", embedder=embedder).document
    assert document["copies"] == [[3, 2]]


def test_signers_are_listed_shown_and_erased(run, enrolled):
    assert [each["signer"] for each in run("signers", "list", "--json").document["signers"]] == [
        "1",
        "2",
    ]
    assert "Picture's SHA-256" in run("signers", "show", "2").out

    erased = run("signers", "erase", "2", "--yes", "--json")

    assert erased.code == 0
    assert erased.document["references"] == 3
    gone = run("signers", "show", "2", "--json")
    assert gone.code == 4
    assert gone.error == "UnknownSigner"
    assert "2" not in run("signers", "list").out.split()


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 4, 2), ("y\n", 0, 1)])
def test_erase_asks(run, enrolled, monkeypatch, answer, code, left):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(answer))

    outcome = run("signers", "erase", "2", "--json")

    assert outcome.code == code
    assert "Erase signer 2 with 3 references for good?" in outcome.err
    assert ("error" in outcome.document) is (code == 4)
    assert len(run("signers", "list", "--json").document["signers"]) == left


def test_erase_says_so_where_something_may_be_left_on_the_disk(run, enrolled):
    assert "doctor" not in run("signers", "erase", "1", "--yes").out
    with closing(sqlite3.connect(enrolled / "vault.sqlite3")) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM signers").fetchall()
        outcome = run("signers", "erase", "2", "--yes")
        assert outcome.code == 0
        assert "run `sigvault doctor --repair` at a quiet time" in " ".join(outcome.out.split())
    assert run("doctor", "--repair", "--json").code == 0


def test_erase_without_an_answer_erases_nothing(run, enrolled, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    outcome = run("signers", "erase", "2", "--json")

    assert (outcome.code, outcome.error) == (4, "ConfigurationError")
    assert "sigvault: nothing was erased" in outcome.err
    assert "give --yes" in outcome.err
    assert len(run("signers", "list", "--json").document["signers"]) == 2


def references_of(run, signer):
    document = run("signers", "show", signer, "--json").document
    return [each["id"] for each in document["references"]]


def test_a_reference_is_erased_by_the_identifier_that_show_tells(run, enrolled):
    first, second, third = references_of(run, "2")
    assert second in "".join(run("signers", "show", "2").out.split())
    why = "another person's <signature>\x1b[31m"

    erased = run("signer", "erase-reference", "2", second, "--reason", why, "--yes", "--json")

    assert erased.code == 0
    assert (erased.document["reference"], erased.document["references_left"]) == (second, 2)
    assert erased.document["log_clean"] is True
    assert references_of(run, "2") == [first, third]
    again = run("signer", "erase-reference", "2", second, "--reason", why, "--yes", "--json")
    assert (again.code, again.error) == (4, "UnknownReference")
    text = " ".join(run("audit", "log", "--after", str(erased.document["event"] - 1)).out.split())
    assert "reference-erased 2 reference" in text
    assert "another person's <signature>" in text
    assert "\x1b[31m" not in text
    check = run("audit", "check")
    assert check.code == 0
    assert "1 personal parts were erased with their signers or references" in check.out
    shown = run("signer", "erase-reference", "2", first, "--reason", "a bad scan", "--yes").out
    assert "Erased reference" in shown
    assert "1 left; audit event" in " ".join(shown.split())
    run("signers", "erase", "2", "--yes")
    log = run("audit", "log").out
    assert "a bad scan" not in log
    assert first in log
    assert "(erased) reference" in " ".join(log.split())


def test_a_picture_that_stays_is_told(run, enrolled, draw):
    run("enroll", "--signer", "2", draw(1, 0), "--force")
    twin = references_of(run, "2")[-1]
    out = run("signer", "erase-reference", "2", twin, "--reason", "wrong", "--yes").out
    assert "Its picture stays" in out


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 4, 3), ("y\n", 0, 2)])
def test_erasing_a_reference_asks(run, enrolled, monkeypatch, answer, code, left):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    chosen = references_of(run, "2")[0]
    outcome = run("signers", "erase-reference", "2", chosen, "--reason", "wrong", "--json")
    assert outcome.code == code
    asked = f"Erase reference {chosen} of signer 2 for good, and keep 2?"
    assert asked in " ".join(outcome.err.split())
    assert ("error" in outcome.document) is (code == 4)
    assert len(references_of(run, "2")) == left


@pytest.mark.parametrize(
    ("signer", "reference", "reason", "code", "error"),
    [
        ("Nobody", "{0}", "wrong", 4, "UnknownSigner"),
        ("1", "{0}", "wrong", 4, "UnknownReference"),
        ("2", "f" * 32, "wrong", 4, "UnknownReference"),
        ("2", "", "wrong", 4, "UnknownReference"),
        ("2", "{0}", "", 4, "ConfigurationError"),
        ("2", "{0}", "x" * 501, 4, "ConfigurationError"),
        ("2", "{0}", None, 2, "UsageError"),
        ("2", None, "wrong", 2, "UsageError"),
    ],
)
@pytest.mark.parametrize("yes", [True, False])
def test_a_reference_that_cannot_be_erased_is_not_asked_about(
    run, enrolled, monkeypatch, yes, signer, reference, reason, code, error
):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    known = references_of(run, "2")
    arguments = [signer, *([] if reference is None else [reference.format(*known)])]
    arguments += [] if reason is None else ["--reason", reason]
    arguments += ["--yes"] if yes else []
    outcome = run("signers", "erase-reference", *arguments, "--json")
    assert (outcome.code, outcome.error) == (code, error)
    assert references_of(run, "2") == known


def test_the_last_reference_is_refused_and_says_what_to_do(run, enrolled, monkeypatch):
    import io

    for chosen in references_of(run, "2")[:2]:
        run("signers", "erase-reference", "2", chosen, "--reason", "wrong", "--yes")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    (chosen,) = references_of(run, "2")
    outcome = run("signers", "erase-reference", "2", chosen, "--reason", "wrong", "--json")
    assert (outcome.code, outcome.error) == (4, "LastReference")
    assert "erase the signer" in outcome.err
    assert references_of(run, "2") == [chosen]


def test_erasing_a_reference_without_an_answer_erases_nothing(run, enrolled, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    chosen = references_of(run, "2")[0]
    outcome = run("signers", "erase-reference", "2", chosen, "--reason", "wrong", "--json")
    assert (outcome.code, outcome.error) == (4, "ConfigurationError")
    assert "nothing was erased" in outcome.err
    assert len(references_of(run, "2")) == 3


def test_models_are_listed_and_shown(run, vault):
    model = run("status", "--json").document["model"]

    listed = run("model", "list", "--json").document["models"]
    shown = run("model", "show", "--json").document
    unknown = run("model", "show", "unheard-of", "--json")

    own = next(each for each in listed if each["model"] == model)
    assert (own["in_use"], own["in_vault"], own["bundled_as"]) == (True, True, None)
    assert [each["in_use"] for each in listed if each is not own] == [False] * (len(listed) - 1)
    assert shown["model"] == model
    assert shown["training_images"] == 0
    assert model in run("model", "show").out
    assert "were not measured" in run("model", "show").out
    assert model in run("model", "list").out
    assert unknown.code == 4
    assert unknown.error == "UnknownModel"


def test_bundled_models_are_shown_without_a_vault(run, tmp_path):
    card = read_card(bundled_model())
    folder = tmp_path / "no-vault"

    listed = run("--vault", folder, "model", "list", "--json").document["models"]
    shown = run("--vault", folder, "model", "show", "default", "--json").document
    page = run("--vault", folder, "model", "show", "default").out
    in_use = run("--vault", folder, "model", "show", "--json")

    first = listed[0]
    assert (first["model"], first["bundled_as"]) == (card.id, "default")
    assert (first["in_use"], first["in_vault"]) == (False, False)
    assert first["licence"] == card.licence
    assert [each["references"] for each in first["measured"]] == [1, 3, 5, 10] * 2
    assert shown["model"] == card.id
    rate = card.measured[0].skilled
    assert f"{100 * rate.value:.1f} % ({100 * rate.low:.1f}–{100 * rate.high:.1f})" in page
    table = run("--vault", folder, "model", "list").out
    assert card.id in table
    assert f"{100 * rate.value:.1f} / {100 * card.measured[0].random.value:.1f}" in table
    assert in_use.code == 4
    assert in_use.error == "VaultNotFound"
    assert not folder.exists()


def test_thresholds_are_shown_with_their_origin(run, vault):
    document = run("threshold", "show", "--json").document
    text = run("threshold", "show").out

    assert [each["references"] for each in document["thresholds"]] == [1, 3, 5]
    assert "drawn polylines" in text
    assert "10.0 % (5.0–15.0)" in text


def test_a_vault_without_thresholds_says_so_and_decides_nothing(run, tmp_path, draw):
    embedder = FakeEmbedder(references=())
    folder = tmp_path / "v"
    run("--vault", folder, "init", embedder=embedder)
    run("--vault", folder, "enroll", "--signer", "1", draw(1), embedder=embedder)

    for command in (("threshold", "show"), ("verify", "--signer", "1", draw(1, 9))):
        outcome = run("--vault", folder, *command, "--json", embedder=embedder)
        assert outcome.code == 4
        assert outcome.error == "NotCalibrated"
        assert "sigvault calibrate" in outcome.err


def test_audit_log_and_check(run, enrolled, draw):
    run("verify", "--signer", "1", draw(1, 9))
    run("verify", "--signer", "2", draw(2, 9))
    run("signers", "erase", "1", "--yes")

    events = run("audit", "log", "--json").document["events"]
    about = run("audit", "log", "--signer", "2", "--limit", "2", "--json").document["events"]
    text = run("audit", "log", "--after", str(len(events) - 3)).out
    check = run("audit", "check", "--json")

    assert [each["number"] for each in events] == list(range(1, len(events) + 1))
    assert {each["personal"]["signer"] for each in about} == {"2"}
    assert len(about) == 2
    assert "signer-erased" in text
    assert "(erased) decision" in text
    assert "2 decision" in text
    assert "vault-created" not in text
    assert check.code == 0
    assert check.document["whole"] is True
    assert "the chain is whole" in run("audit", "check").out


def test_audit_check_finds_a_missing_image(run, enrolled):
    image = next((enrolled / "images").glob("??/*"))
    image.unlink()

    outcome = run("audit", "check", "--json")

    assert outcome.code == 1
    assert len(outcome.document["images_missing"]) == 1
    assert "1 pictures are missing" in run("audit", "check").out


def test_a_verification_can_be_replayed(run, enrolled, draw):
    event = run("verify", "--signer", "1", draw(1, 9), "--json").document["event"]

    outcome = run("audit", "replay", str(event), "--json")
    other = run("audit", "replay", "1", "--json")

    assert outcome.code == 0
    assert outcome.document["agrees"] is True
    assert "follows from the recorded evidence" in run("audit", "replay", str(event)).out
    assert other.code == 4
    assert other.error == "UnknownEvent"


def test_synth_writes_a_folder_that_enroll_reads(run, vault, tmp_path):
    out = tmp_path / "synthetic"

    written = run(
        "synth", out, "--signers", "2", "--genuine", "2", "--forged", "1", "--seed", "3", "--json"
    )
    enrolled = run("enroll", "--dataset", out, "--json")

    assert written.document["genuine"] == 4
    assert written.document["forged"] == 2
    assert enrolled.document["enrolled"] + enrolled.document["failed"] == 4
    assert run("synth", out, "--signers", "2", "--json").error == "ConfigurationError"


def test_synth_writes_the_varied_population_with_clutter(run, tmp_path):
    few = ("--signers", "1", "--genuine", "1", "--forged", "1", "--json")

    plain = run("synth", tmp_path / "plain", "--population", "varied", *few)
    cluttered = run("synth", tmp_path / "lines", "--population", "varied", "--clutter", "1", *few)

    assert plain.document["genuine"] == cluttered.document["genuine"] == 1
    assert (tmp_path / "plain" / "pictures.csv").is_file()
    pictures = [tmp_path / name / "genuine/001/01.png" for name in ("plain", "lines")]
    assert pictures[0].read_bytes() != pictures[1].read_bytes()


@pytest.mark.parametrize("wrong", [("--population", "martian"), ("--clutter", "1.5")])
def test_synth_refuses_what_it_does_not_know(run, tmp_path, wrong):
    refused = run("synth", tmp_path / "out", *wrong)

    assert refused.code == 2
    assert not (tmp_path / "out").exists()


def test_calibrate_makes_the_thresholds_that_verify_uses(run, enrolled, draw, tmp_path):
    root = write_dataset(tmp_path / "data", draw, 6)

    outcome = run("calibrate", root, "--references", "1,3", "--draws", "2", "--force", "--json")

    assert outcome.code == 0, outcome.err
    assert [each["references"] for each in outcome.document["thresholds"]] == [1, 3]
    shown = run("threshold", "show", "--json").document["thresholds"]
    assert shown == outcome.document["thresholds"]
    used = run("verify", "--signer", "1", draw(1, 9), "--json").document["threshold"]
    assert shown[1].pop("points")
    assert used == shown[1]
    assert used["origin"]["data"] == "data"


def test_evaluate_needs_no_vault(run, draw, tmp_path):
    root = write_dataset(tmp_path / "data", draw, 6)
    page = tmp_path / "figures.md"

    outcome = run(
        "evaluate", root, "--references", "1,3", "--draws", "2", "--report", page, "--json"
    )
    text = run("evaluate", root, "--references", "1", "--draws", "2").out

    assert outcome.code == 0, outcome.err
    assert [each["references"] for each in outcome.document["results"]] == [1, 3]
    assert page.read_text().startswith("# fake-")
    assert outcome.document["report"] == str(page)
    assert "Skilled EER" in text
    assert "p1: fake-" in text
    assert "on data, 72 images" in text


@pytest.mark.parametrize("numbers", ["", "0", "1,x", "1,,2", "-1"])
def test_numbers_of_references_are_checked(run, vault, tmp_path, numbers):
    outcome = run("evaluate", tmp_path, f"--references={numbers}", "--json")

    assert outcome.code == 2
    assert outcome.error == "UsageError"


def test_identify_says_what_it_decides_at(run, enrolled, draw):
    outcome = run("identify", draw(2, 9), "--at-fpir", "0.05", "--json")
    assert outcome.code == 0, outcome.err
    document = outcome.document
    assert (document["fpir"], document["signers"], document["unsupported"]) == (0.05, 2, None)
    assert "0.05" in run("identify", draw(2, 9), "--at-fpir", "0.05").out


def test_identify_accepts_nobody_where_the_data_can_not_tell(run, enrolled, draw):
    outcome = run("identify", draw(2, 9), "--at-fpir", "1e-9")
    assert outcome.code == 3
    said = " ".join(outcome.out.split())
    assert "nobody can be accepted: with 2 signers, an FPIR of at most 1e-07 % takes" in said
    assert "give --at-fpir 0.001 (0.1 %) or more" in said
    assert run("identify", draw(2, 9), "--at-fpir", "0.001").code == 0


@pytest.mark.parametrize("rate", ["2", "1e-320", "0"])
def test_identify_refuses_what_is_no_rate(run, enrolled, draw, rate):
    outcome = run("identify", draw(2, 9), "--at-fpir", rate, "--json")
    assert (outcome.code, outcome.error) == (2, "UsageError")
