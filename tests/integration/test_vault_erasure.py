from __future__ import annotations

import pytest

from fakes import draw_signature
from sigvault.domain.errors import UnknownEvent, UnknownReference, UnknownSigner
from sigvault.services import erasure, gallery_index
from sigvault.vault import EnrollmentItem

NAME, SIGNER = "Ada Augusta King", "signer-no-9876"


def everything_on_disk(folder) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.fixture
def with_ada(enrolled):
    """A vault where Ada was enrolled, verified, identified, and failed."""
    for number in range(3):
        item = EnrollmentItem(SIGNER, draw_signature(40, number))
        enrolled.enroll([item], names={SIGNER: NAME})
    enrolled.enroll([EnrollmentItem(SIGNER, b"broken")])
    enrolled.verify(SIGNER, draw_signature(40, 99))
    enrolled.identify(draw_signature(40, 98))
    return enrolled


def test_nothing_of_an_erased_signer_can_be_had(with_ada):
    detail = with_ada.signer(SIGNER)
    verified = [each for each in with_ada.audit_log(signer=SIGNER) if each.kind == "verified"]
    erased = with_ada.erase(SIGNER)
    assert (erased.signer, erased.references, erased.images_removed) == (SIGNER, 3, 3)
    assert erased.audit_parts == 5
    for ask in (
        lambda: with_ada.signer(SIGNER),
        lambda: with_ada.verify(SIGNER, draw_signature(40, 99)),
        lambda: with_ada.audit_log(signer=SIGNER),
        lambda: with_ada.erase(SIGNER),
    ):
        with pytest.raises(UnknownSigner):
            ask()
    with pytest.raises(UnknownReference):
        with_ada.reference_image(detail.references[0].id)
    with pytest.raises(UnknownEvent, match="erased"):
        with_ada.replay(verified[0].number)
    found = with_ada.identify(draw_signature(40, 98), top=10)
    assert SIGNER not in [each.signer for each in found.candidates]
    assert with_ada.status().references == 15
    check = with_ada.audit_check()
    assert (check.whole, check.images_missing, check.erased_parts) == (True, (), 5)
    record = with_ada.audit_log()[erased.event - 1]
    assert (record.public["references"], record.personal) == (3, {"by": "tester"})


def test_no_byte_of_an_erased_signer_stays_on_the_disk(with_ada, file_or_skip, embedder):
    references = with_ada.signer(SIGNER).references
    secrets = [SIGNER.encode(), NAME.encode(), *(each.digest.encode() for each in references)]
    secrets += [with_ada.reference_image(each.id) for each in references]
    with_ada.erase(SIGNER)
    left = everything_on_disk(file_or_skip)
    assert not [secret[:40] for secret in secrets if secret in left]
    names = "".join(path.name for path in file_or_skip.rglob("*"))
    assert not [each.digest for each in references if each.digest[2:] in names]


@pytest.fixture
def file_or_skip(enrolled_settings):
    if enrolled_settings.database_url is not None:
        pytest.skip("PostgreSQL's files are its own")
    return enrolled_settings.vault


def test_the_identifier_can_be_used_again_for_somebody_new(with_ada):
    before = {each.public.get("signer") for each in with_ada.audit_log(signer=SIGNER)}
    with_ada.erase(SIGNER)
    with_ada.enroll([EnrollmentItem(SIGNER, draw_signature(41))])
    assert with_ada.signer(SIGNER).summary.references == 1
    after = {each.public.get("signer") for each in with_ada.audit_log(signer=SIGNER)}
    assert not before & after
    assert with_ada.audit_check().whole


def test_an_image_that_another_signer_has_too_stays(enrolled):
    picture = draw_signature(0, 0)
    enrolled.enroll([EnrollmentItem("twin", picture)], force=True)
    assert enrolled.erase("twin").images_removed == 0
    first = enrolled.signer("0").references[0]
    assert enrolled.reference_image(first.id) == picture
    enrolled.enroll([EnrollmentItem("twin", picture)], force=True)
    assert enrolled.erase("0").images_removed == 2
    assert enrolled.reference_image(enrolled.signer("twin").references[0].id) == picture
    assert enrolled.audit_check().images_missing == ()


def test_a_kept_index_goes_with_the_signer(
    enrolled, enrolled_settings, reopen_enrolled, monkeypatch
):
    monkeypatch.setattr(gallery_index, "_KEEP_FROM", 1)
    enrolled.identify(draw_signature(1))
    enrolled._index.keep()
    folder = enrolled_settings.vault / "index"
    assert list(folder.iterdir())
    other = reopen_enrolled()
    assert len(other._index.current()) == 15
    other.erase("1")
    assert not list(folder.iterdir())
    enrolled._index.keep()
    assert list(folder.iterdir())
    third = reopen_enrolled()
    assert len(third._index.current()) == 12
    assert third.identify(draw_signature(1), top=10).searched == 12


def test_images_that_a_crash_left_go_at_the_next_opening(
    enrolled, enrolled_settings, reopen_enrolled, monkeypatch
):
    def crash(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(erasure, "settle_pending", crash)
        with pytest.raises(KeyboardInterrupt):
            enrolled.erase("1")
    images = enrolled_settings.vault / "images"
    assert len(list(images.glob("*/*"))) == 15
    reopen_enrolled()
    assert len(list(images.glob("*/*"))) == 12
    assert not list((enrolled_settings.vault / "pending").iterdir())


def test_an_erasure_that_fails_leaves_the_signer_whole(
    enrolled, enrolled_settings, reopen_enrolled, monkeypatch
):
    with monkeypatch.context() as broken:
        broken.setattr(erasure, "append_directly", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            enrolled.erase("1")
    assert enrolled.signer("1").summary.references == 3
    assert reopen_enrolled().audit_check().images_missing == ()
