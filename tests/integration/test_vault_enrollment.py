from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes import FakeEmbedder, draw_blank, draw_signature
from sigvault.bootstrap import open_vault
from sigvault.domain.errors import (
    ConfigurationError,
    GenerationMismatch,
    StorageFailed,
    UnknownReference,
)
from sigvault.services import enrollment
from sigvault.vault import EnrollmentInterrupted, EnrollmentItem, EnrollmentOutcome


def images_on_disk(vault) -> set[str]:
    folder = vault.status().location / "images"
    return {path.parent.name + path.name for path in folder.glob("*/*")}


def assert_whole(vault, references: int) -> None:
    """As many references as said, each with image, vector and event, and nothing besides."""
    status = vault.status()
    assert (status.references, status.vectors) == (references, references)
    digests = {
        reference.digest
        for signer in vault.signers()
        for reference in vault.signer(signer.signer).references
    }
    assert images_on_disk(vault) == digests
    check = vault.audit_check()
    assert (check.whole, check.images_missing) == (True, ())
    assert not list((status.location / "pending").glob("*"))


def test_references_are_enrolled_in_order(vault, items):
    seen = []
    given = items(2, 3)
    report = vault.enroll(iter(given), names={"1": "Ada"}, progress=seen.append, by="clerk")
    assert (report.enrolled, report.already, report.failed) == (6, 0, 0)
    assert [result.item for result in report.results] == [item.name for item in given]
    assert seen == [1, 2, 3, 4, 5, 6]
    assert [(each.signer, each.name, each.references) for each in vault.signers()] == [
        ("0", "", 3),
        ("1", "Ada", 3),
    ]
    detail = vault.signer("1")
    assert [each.id for each in detail.references] == [
        each.reference for each in report.results[3:]
    ]
    assert {each.enrolled_by for each in detail.references} == {"clerk"}
    assert detail.spread is not None
    assert detail.events == 3
    assert_whole(vault, 6)


def test_the_enrolled_bytes_are_kept_as_they_were(vault):
    picture = draw_signature(1, kind="TIFF")
    (result,) = vault.enroll([EnrollmentItem("1", picture)]).results
    assert vault.reference_image(result.reference) == picture
    assert result.digest == hashlib.sha256(picture).hexdigest()
    with pytest.raises(UnknownReference):
        vault.reference_image("0" * 32)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(enrollment, "BATCH", 4)


@pytest.mark.usefixtures("small_batches")
def test_many_images_are_embedded_in_batches(vault, items, embedder):
    assert vault.enroll(items(3, 3)).enrolled == 9
    assert embedder.batches == [4, 4, 1]
    assert_whole(vault, 9)


@pytest.mark.usefixtures("small_batches")
def test_images_are_read_only_a_little_ahead(vault, items):
    given = 0

    def counted():
        nonlocal given
        for item in items(5, 5):
            given += 1
            yield item

    def ahead(done: int) -> None:
        assert given <= done + 3 * 4

    vault.enroll(counted(), progress=ahead)
    assert given == 25


def test_the_same_image_twice_is_a_no_op_that_says_so(vault, items, embedder):
    given = items(1, 2)
    first = vault.enroll(given)
    events = vault.status().events
    again = vault.enroll([*given, given[0]])
    assert (again.enrolled, again.already) == (0, 3)
    assert again.results[0].reference == again.results[2].reference == first.results[0].reference
    assert vault.status().events == events
    assert embedder.batches == [2]
    assert_whole(vault, 2)


def test_the_same_image_twice_in_one_batch_is_enrolled_once(vault, items):
    given = items(1, 1)
    report = vault.enroll([given[0], given[0]])
    assert [result.outcome for result in report.results] == [
        EnrollmentOutcome.ENROLLED,
        EnrollmentOutcome.ALREADY,
    ]
    assert_whole(vault, 1)


def test_the_same_image_under_another_signer_is_refused_unless_forced(vault):
    picture = draw_signature(1)
    vault.enroll([EnrollmentItem("1", picture)])
    (refused,) = vault.enroll([EnrollmentItem("2", picture)]).results
    assert (refused.outcome, refused.error) == (EnrollmentOutcome.FAILED, "DuplicateAcrossSigners")
    assert "signer 1" in refused.message
    assert [each.signer for each in vault.signers()] == ["1"]
    (forced,) = vault.enroll([EnrollmentItem("2", picture)], force=True).results
    assert forced.outcome is EnrollmentOutcome.ENROLLED
    assert vault.reference_image(forced.reference) == picture
    assert_whole(vault, 2)


def test_bad_images_are_reported_and_do_not_stop_the_others(vault, tmp_path):
    (tmp_path / "empty.png").touch()
    whole = draw_signature(1, kind="JPEG")
    sources = [
        (draw_signature(1), None),
        (b"not a picture", "UnsupportedImage"),
        (whole[: len(whole) // 2], "UnsupportedImage"),
        (tmp_path / "empty.png", "UnsupportedImage"),
        (tmp_path / "nowhere.png", "UnreadableFile"),
        (tmp_path, "UnreadableFile"),
        (draw_blank(), "FailureToEnroll"),
        (draw_signature(1, 1), None),
    ]
    report = vault.enroll(EnrollmentItem("1", source) for source, _ in sources)
    assert [result.error for result in report.results] == [error for _, error in sources]
    assert all(result.message for result in report.results if result.error)
    assert (report.enrolled, report.failed) == (2, 6)
    blank = report.results[6]
    assert any(finding.severe for finding in blank.findings)
    failed = [record for record in vault.audit_log() if record.kind == "enrollment-failed"]
    assert [record.public["error"] for record in failed] == [error for _, error in sources if error]
    assert_whole(vault, 2)


def test_a_failure_of_an_unknown_signer_keeps_nothing_personal(vault):
    vault.enroll([EnrollmentItem("Ada Lovelace", b"not a picture")])
    assert vault.signers() == ()
    record = vault.audit_log()[-1]
    assert record.kind == "enrollment-failed"
    assert (record.public["signer"], record.personal) == (None, {})


def test_a_name_can_be_given_later(vault, items):
    one, two = items(1, 2)
    vault.enroll([one])
    vault.enroll([two], names={"0": "Grace"})
    assert vault.signer("0").summary.name == "Grace"


@pytest.mark.parametrize("signer", ["", " 53", "53\n", "5\x003", "\ud800"])
def test_an_unusable_identifier_is_refused(signer):
    with pytest.raises(ConfigurationError):
        EnrollmentItem(signer, b"")


def test_another_model_does_not_enroll(vault, settings, items):
    with (
        open_vault(settings, embedder=FakeEmbedder("other")) as other,
        pytest.raises(GenerationMismatch, match="SIGVAULT_MODEL"),
    ):
        other.enroll(items(1, 1))
    assert_whole(vault, 0)


def test_a_full_disk_keeps_what_came_before_and_nothing_half(vault, items, monkeypatch):
    written = 0
    whole_write = os.fsync

    def fill(handle: int) -> None:
        nonlocal written
        written += 1
        if written > 9:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole_write(handle)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", fill)
        with pytest.raises(StorageFailed, match=r"full.*references before it are kept"):
            vault.enroll(items(1, 10))
    kept = vault.status().references
    assert 0 < kept < 10
    assert_whole(vault, kept)
    report = vault.enroll(items(1, 10))
    assert (report.already, report.enrolled) == (kept, 10 - kept)
    assert_whole(vault, 10)


@pytest.mark.parametrize("step", ["add_reference", "add_embeddings", "append"])
def test_an_error_between_image_and_commit_leaves_nothing(vault, items, monkeypatch, step):
    def fail(*args, **kwargs):
        raise RuntimeError(step)

    with monkeypatch.context() as broken:
        broken.setattr(enrollment, step, fail)
        with pytest.raises(RuntimeError, match=step):
            vault.enroll(items(1, 1))
    assert vault.signers() == ()
    assert_whole(vault, 0)


def test_a_failed_image_that_another_signer_holds_stays(vault, monkeypatch):
    picture = draw_signature(1)
    vault.enroll([EnrollmentItem("1", picture)])
    with monkeypatch.context() as broken:
        broken.setattr(enrollment, "add_embeddings", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            vault.enroll([EnrollmentItem("2", picture)], force=True)
    assert_whole(vault, 1)


@pytest.mark.parametrize("step", ["add_reference", "append", "acquire", "read_session"])
@pytest.mark.usefixtures("small_batches")
def test_ctrl_c_keeps_what_was_reported_and_nothing_half(vault, items, monkeypatch, step):
    calls = 0
    original = getattr(enrollment, step)

    def interrupt(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(enrollment, step, interrupt)
        with pytest.raises(EnrollmentInterrupted) as caught:
            vault.enroll(items(12, 1))
    report = caught.value.report
    assert report.enrolled == len(report.results) < 12
    assert_whole(vault, report.enrolled)


def test_ctrl_c_is_no_ordinary_error():
    assert not issubclass(EnrollmentInterrupted, Exception)


_CRASH = """
import os, sys
from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import open_vault
from sigvault.services import enrollment
from sigvault.settings import load_settings
from sigvault.vault import EnrollmentItem

enrollment.append = lambda *_: os._exit(7)
open_vault(load_settings(), embedder=FakeEmbedder()).enroll(
    [EnrollmentItem("1", draw_signature(1))]
)
"""

_ENROLL = """
import sys
from fakes import FakeEmbedder, draw_signature
from sigvault.bootstrap import open_vault
from sigvault.settings import load_settings
from sigvault.vault import EnrollmentItem

with open_vault(load_settings(), embedder=FakeEmbedder()) as vault:
    print("ready", flush=True)
    sys.stdin.readline()
    report = vault.enroll(
        EnrollmentItem(str(signer), draw_signature(signer, number))
        for signer in range(3)
        for number in range(4)
    )
print(report.enrolled, report.already, report.failed)
"""


def start(script: str, settings) -> subprocess.Popen[str]:
    environment = os.environ | {
        "SIGVAULT_VAULT": str(settings.vault),
        "SIGVAULT_DATABASE_URL": settings.database_url or "",
        "PYTHONPATH": os.pathsep.join(
            map(str, (Path(__file__).parents[1], Path(__file__).parents[2]))
        ),
    }
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_killed_process_leaves_nothing_that_is_not_cleaned_up(vault, settings, reopen):
    with start(_CRASH, settings) as process:
        assert process.wait() == 7
    assert len(images_on_disk(vault)) == 1
    assert vault.status().references == 0
    assert_whole(reopen(), 0)


def test_two_processes_enroll_the_same_at_the_same_time(vault, settings):
    with start(_ENROLL, settings) as one, start(_ENROLL, settings) as other:
        for process in (one, other):
            assert process.stdout.readline() == "ready\n"
        for process in (one, other):
            process.stdin.write("go\n")
            process.stdin.flush()
        counts = [[int(n) for n in process.communicate()[0].split()] for process in (one, other)]
    assert [sum(each) for each in zip(*counts, strict=True)] == [12, 12, 0]
    assert_whole(vault, 12)
