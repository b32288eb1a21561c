"""Images that go with their signer while somebody else looks for them: nothing is damaged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fakes import draw_signature
from sigvault.domain.diagnosis import Severity
from sigvault.domain.errors import ProbeNotKept, UnknownEvent, UnknownReference, VaultDamaged
from sigvault.storage.blobs import ImageFolder
from sigvault.storage.engine import make_engine, write_session
from sigvault.storage.references import add_reference
from sigvault.storage.signers import get_signer
from sigvault.vault import KeepProbes


@pytest.fixture
def meanwhile(monkeypatch):
    """Does something once, just before a method of the folder of images is called."""

    def before(name, act):
        real, done = getattr(ImageFolder, name), []

        def method(folder, *args):
            if not done:
                done.append(act)
                act()
            return real(folder, *args)

        monkeypatch.setattr(ImageFolder, name, method)

    return before


def about_images(vault, **options):
    return [each for each in vault.examine(**options) if each.subject == "images"]


def test_a_reference_whose_signer_is_erased_while_it_is_read_is_unknown(enrolled, meanwhile):
    reference = enrolled.signer("1").references[0]
    meanwhile("read", lambda: enrolled.erase("1"))
    with pytest.raises(UnknownReference, match="erased"):
        enrolled.reference_image(reference.id)


def test_a_reference_whose_image_is_missing_all_the_same_is_damage(enrolled):
    reference = enrolled.signer("1").references[0]
    enrolled._resources.images.delete(reference.digest)
    with pytest.raises(VaultDamaged, match="missing"):
        enrolled.reference_image(reference.id)


@pytest.mark.parametrize("how", ["erased", "forgotten", "lost"])
def test_a_probe_that_goes_while_it_is_read(enrolled, meanwhile, how):
    probe = draw_signature(1, 9)
    event = enrolled.verify("1", probe, keep_probe=KeepProbes.ALWAYS).event
    act, error = {
        "erased": (lambda: enrolled.erase("1"), ProbeNotKept),
        "forgotten": (lambda: enrolled.forget_probes(timedelta(0)), ProbeNotKept),
        "lost": (lambda: [each.unlink() for each in files(enrolled)], VaultDamaged),
    }[how]
    meanwhile("read", act)
    with pytest.raises(error):
        enrolled.probe_image(event)
    with pytest.raises(UnknownEvent):
        enrolled.probe_image(event + 1000)


def files(vault):
    return list((vault.status().location / "images").glob("??/*"))


def test_an_audit_check_misses_no_image_of_a_signer_erased_meanwhile(enrolled, meanwhile):
    meanwhile("read", lambda: enrolled.erase("1"))
    check = enrolled.audit_check()
    assert (check.whole, check.images_missing) == (True, ())


@pytest.mark.parametrize("deep", [False, True])
def test_an_examination_misses_no_image_of_a_signer_erased_meanwhile(enrolled, meanwhile, deep):
    meanwhile("strays", lambda: enrolled.erase("1"))
    assert [each.severity for each in about_images(enrolled, deep=deep)] == [Severity.FINE]


def test_an_image_that_is_enrolled_while_the_folder_is_listed_is_no_stray(
    enrolled, enrolled_settings, meanwhile, monkeypatch
):
    """Its file is there before its reference is, and both are after the database was asked."""
    digest = enrolled._resources.images.write(b"an image")
    real = ImageFolder.strays

    def strays(folder, keep):
        found = list(real(folder, keep))
        with write_session(enrolled._resources.engine) as session:
            add_reference(
                session,
                get_signer(session, "1").key,
                image_digest=digest,
                image_bytes=8,
                findings=(),
                at=enrolled._resources.clock(),
                by="",
            )
        return found

    monkeypatch.setattr(ImageFolder, "strays", strays)
    assert not [each for each in about_images(enrolled, repair=True) if each.repairable]
    assert enrolled._resources.images.has(digest)


def test_writers_do_not_wait_while_the_folder_of_images_is_listed(
    enrolled, enrolled_settings, meanwhile
):
    where = enrolled_settings.database_url or enrolled_settings.vault / "vault.sqlite3"
    other, written = make_engine(where, wait_seconds=0.2), []

    def write():
        with write_session(other) as session:
            written.append(get_signer(session, "1"))

    meanwhile("strays", write)
    about_images(enrolled)
    assert written
    other.dispose()
