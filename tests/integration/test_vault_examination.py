"""Examining a vault: what is found, and what is repaired."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import create_vault, diagnose, open_vault
from sigvault.domain.diagnosis import Diagnosis, Severity
from sigvault.services import examination
from sigvault.services.enrollment import EnrollmentItem
from sigvault.settings import Settings
from sigvault.storage.engine import make_engine, write_session
from sigvault.storage.integrity import contradictions, writer_at_work
from sigvault.storage.schema import head_revision


@pytest.fixture
def folder(tmp_path):
    items = [
        EnrollmentItem(str(signer), draw_signature(signer, number))
        for signer in (1, 2)
        for number in range(3)
    ]
    with create_vault(tmp_path / "vault", embedder=FakeEmbedder()) as vault:
        assert vault.enroll(items).enrolled == 6
    return tmp_path / "vault"


def look(folder, **options) -> Diagnosis:
    return diagnose(folder, embedder=FakeEmbedder(), **options)


def of(diagnosis: Diagnosis, severity: Severity) -> list[str]:
    return [
        f"{each.subject}: {each.message}"
        for each in diagnosis.findings
        if each.severity is severity and not each.repaired
    ]


def change(folder, statement):
    engine = make_engine(folder / "vault.sqlite3")
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def an_image(folder):
    return next((folder / "images").glob("??/*"))


@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_vault_has_no_problem(folder, deep):
    found = look(folder, deep=deep)
    assert of(found, Severity.PROBLEM) == []
    assert found.healthy
    subjects = {each.subject for each in found.findings}
    assert {"schema", "database", "audit log", "images", "thresholds", "disk", "locks"} <= subjects


def test_a_missing_and_a_shortened_image_are_problems(folder):
    an_image(folder).unlink()
    an_image(folder).write_bytes(b"short")
    problems = of(look(folder), Severity.PROBLEM)
    assert any("1 are missing" in each for each in problems)
    assert any("1 are not what was enrolled" in each for each in problems)


def test_a_changed_image_of_the_same_size_is_found_by_reading_it(folder):
    image = an_image(folder)
    content = bytearray(image.read_bytes())
    content[-1] ^= 1
    image.write_bytes(content)
    assert of(look(folder), Severity.PROBLEM) == []
    assert any(
        "not what was enrolled" in each for each in of(look(folder, deep=True), Severity.PROBLEM)
    )


def test_files_that_nobody_refers_to_are_removed_on_request_and_nothing_else(folder):
    images = sorted(path for path in (folder / "images").glob("??/*"))
    stray = images[0].parent / ("0" * 62)
    stray.write_bytes(b"left over")
    assert any("nothing points to" in each for each in of(look(folder), Severity.WARNING))
    assert stray.exists()
    repaired = look(folder, repair=True)
    assert [each.repaired for each in repaired.findings if each.repairable] == [True]
    assert sorted((folder / "images").glob("??/*")) == images
    assert of(look(folder), Severity.WARNING) == []


def test_what_a_kill_left_of_an_image_is_settled_when_the_vault_is_opened(folder):
    digest = "ab" + "0" * 62
    half = folder / "images" / "ab" / ".unfinished-x"
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"half an image")
    assert any("nothing points to" in each for each in of(look(folder), Severity.WARNING))
    (folder / "pending").mkdir(exist_ok=True)
    (folder / "pending" / f"{digest}.0").touch()
    assert of(look(folder), Severity.WARNING) == []
    assert not half.exists()


def test_a_folder_that_others_may_look_into_is_closed_on_request(folder):
    folder.chmod(0o755)
    assert any("mode 755" in each for each in of(look(folder), Severity.WARNING))
    look(folder, repair=True)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_tables_that_are_not_this_versions_are_a_problem(folder):
    change(folder, "ALTER TABLE signers ADD COLUMN nickname TEXT")
    found = look(folder)
    told = f"schema: not as revision {head_revision()} makes it: signers"
    assert of(found, Severity.PROBLEM) == [told]
    assert not found.healthy


def test_a_broken_audit_log_is_a_problem(folder):
    change(folder, "UPDATE audit_events SET public = '{}' WHERE number = 2")
    assert any("broken at event 2" in each for each in of(look(folder), Severity.PROBLEM))


def test_a_reference_without_a_vector_is_a_problem(folder):
    change(folder, "DELETE FROM embeddings WHERE row = 1")
    assert any("1 of 6 references" in each for each in of(look(folder), Severity.PROBLEM))
    assert look(folder, repair=True).healthy
    assert of(look(folder), Severity.PROBLEM) == []


def test_a_vault_without_thresholds_can_not_decide(folder):
    change(folder, "DELETE FROM thresholds")
    assert any("thresholds" in each for each in of(look(folder), Severity.PROBLEM))


def test_galleries_below_the_smallest_threshold_are_counted(folder):
    change(folder, 'DELETE FROM thresholds WHERE "references" < 5')
    assert any("2 signers have fewer than 5" in each for each in of(look(folder), Severity.WARNING))


def test_a_row_that_refers_to_nothing_is_a_contradiction(folder):
    engine = make_engine(folder / "vault.sqlite3")
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        raw.rollback()
        raw.execute("PRAGMA foreign_keys = OFF")
        raw.execute("DELETE FROM signers")
        raw.commit()
    assert "refers to a row of signers" in contradictions(engine, deep=False)[0]
    engine.dispose()
    assert any("contradicts itself" in each for each in of(look(folder), Severity.PROBLEM))


def test_a_writer_at_work_is_seen_and_not_waited_for(folder):
    engine = make_engine(folder / "vault.sqlite3")
    assert not writer_at_work(engine)
    with write_session(engine):
        assert writer_at_work(engine)
    assert not writer_at_work(engine)
    engine.dispose()


def test_a_full_disk_is_told_in_time(folder, monkeypatch):
    monkeypatch.setattr(examination, "ROOM", 2**80)
    assert any(each.startswith("disk") for each in of(look(folder), Severity.WARNING))


def test_a_vault_that_can_not_be_opened_is_a_finding_beside_the_installations(tmp_path):
    found = look(tmp_path / "nowhere")
    assert [each.subject for each in found.findings if each.severity is Severity.PROBLEM] == [
        "vault"
    ]
    assert any(each.subject == "torch" for each in found.findings)


def test_a_model_that_is_lost_or_changed_is_told(tmp_path):
    from sigvault.embedding.card import bundled_model

    with create_vault(tmp_path / "vault"):
        pass
    (kept,) = (tmp_path / "vault" / "models").iterdir()
    assert diagnose(tmp_path / "vault").healthy
    (kept / "model.safetensors").write_bytes(b"another")
    assert not diagnose(tmp_path / "vault").healthy
    shutil.copyfile(bundled_model() / "model.safetensors", kept / "model.safetensors")
    assert diagnose(tmp_path / "vault").healthy
    (kept / "model.safetensors").unlink()
    assert any("missing" in each for each in of(diagnose(tmp_path / "vault"), Severity.WARNING))


def test_the_model_of_a_dropped_generation_is_not_missed(tmp_path):
    new = FakeEmbedder("new")
    with create_vault(tmp_path / "vault") as vault:
        vault.reindex(new)  # nobody is enrolled, so nothing can get worse
        vault.drop(1)
    found = diagnose(tmp_path / "vault", embedder=new)
    assert not any(each.subject.startswith("model") for each in found.findings)


def test_a_generation_that_is_being_filled_is_noted(folder):
    with open_vault(folder, embedder=[FakeEmbedder(), FakeEmbedder("new")]) as vault:
        vault.reindex(FakeEmbedder("new"))  # two signers can't tell
    notes = of(look(folder), Severity.NOTE)
    assert any("generation 2" in each and "6 of 6 vectors" in each for each in notes)


def test_an_index_that_is_not_exact_is_used_where_it_is_asked_for_and_its_recall_told(folder):
    pytest.importorskip("faiss")
    settings = Settings(folder, device="cpu", index="ivf")
    with open_vault(settings, embedder=FakeEmbedder()) as vault:
        assert not vault._index.current().index.exact
        found = vault.identify(draw_signature(1, 9), fpir=0.2)
        assert found.candidates[0].signer == "1"
        more = [EnrollmentItem("3", draw_signature(3, number)) for number in range(3)]
        assert vault.enroll(more).enrolled == 3
        found = vault.identify(draw_signature(3, 9), fpir=0.2)  # beside the inverted file
        assert found.candidates[0].signer == "3"
    fine = of(look(settings), Severity.FINE)
    # A probe searches all of so few lists.
    assert any("index: holds the 9 vectors" in each and "100.0% are found" in each for each in fine)
    assert any("9 vectors with ivf on the CPU: it was asked for" in each for each in fine)
    assert not any("are found on average" in each for each in of(look(folder), Severity.FINE))


def test_an_index_that_differs_from_the_database_is_told_and_built_anew(folder):
    with open_vault(folder, embedder=FakeEmbedder()) as vault:
        vault._index.current().index.add(np.array([99], np.int64), np.eye(1, 104, dtype=np.float32))
        problems = [one for one in vault.examine() if one.severity is Severity.PROBLEM]
        assert [one.subject for one in problems] == ["index"]
        assert "0 vectors can't be found, and 1 can" in problems[0].message
        assert any(one.repaired for one in vault.examine(repair=True))
    assert look(folder).healthy


def test_a_file_that_can_not_be_removed_is_told_with_the_rest(folder, monkeypatch):
    stray = an_image(folder).parent / ("0" * 62)
    stray.write_bytes(b"left over")
    unlink = Path.unlink

    def refuse(path, missing_ok=False):
        if path.name == stray.name:
            raise PermissionError("not yours")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    found = look(folder, repair=True)
    (left,) = [each for each in found.findings if "nothing points to" in each.message]
    assert not left.repaired
    assert left.remedy == f"check the permissions: 1 can't be removed, such as {stray.name}"
    assert any("audit log" in each for each in of(found, Severity.FINE))


def test_an_image_that_can_not_be_read_is_told_with_the_rest(folder, monkeypatch):
    image = an_image(folder)
    read = Path.read_bytes

    def refuse(path):
        if path == image:
            raise PermissionError("not yours")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert of(look(folder), Severity.PROBLEM) == []
    (problem,) = of(look(folder, deep=True), Severity.PROBLEM)
    assert problem.startswith("images: 1 can't be read: ")


def test_pages_that_were_not_looked_at_are_not_called_sound(enrolled, kind):
    (found,) = [each for each in enrolled.examine(deep=True) if each.subject == "database"]
    if kind == "sqlite":
        assert found.message == "pages, indexes and references are sound"
    else:
        assert found.severity is Severity.NOTE
        assert "not examined here" in found.message
