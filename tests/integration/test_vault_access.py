from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from fakes import draw_signature
from sigvault.domain.access import Role, inside, outside
from sigvault.domain.errors import ConfigurationError, KeyRefused, RequestDiffers, UnknownKey
from sigvault.services.answers import RequestName
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.tables import AnswerRow
from sigvault.vault import EnrollmentItem

VERIFIER = frozenset({Role.VERIFIER})


def at(vault, moment):
    object.__setattr__(vault._resources, "clock", lambda: moment)


def test_a_key_opens_until_it_is_revoked(vault):
    issued = vault.create_key("anna", VERIFIER | {Role.REVIEWER}, namespace="cheques", by="boss")
    key = vault.authenticate(issued.secret)
    assert key == issued.key
    assert (key.name, key.namespace, key.created_by, key.prefix) == (
        "anna",
        "cheques",
        "boss",
        "cheques/",
    )
    assert vault.keys() == (key,)
    revoked = vault.revoke_key(key.id, by="boss")
    assert revoked.revoked_at is not None
    with pytest.raises(KeyRefused, match="revoked"):
        vault.authenticate(issued.secret)
    assert vault.revoke_key(key.id) == revoked
    assert vault.keys() == (revoked,)


def test_a_key_opens_until_it_expires(vault):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    at(vault, now)
    issued = vault.create_key("anna", VERIFIER, expires=timedelta(days=1))
    at(vault, now + timedelta(hours=23))
    assert vault.authenticate(issued.secret) == issued.key
    at(vault, now + timedelta(days=1))
    with pytest.raises(KeyRefused, match="expired"):
        vault.authenticate(issued.secret)


def test_wrong_secrets_open_nothing(vault):
    secret = vault.create_key("anna", VERIFIER).secret
    other = vault.create_key("bert", VERIFIER).secret
    mixed = secret[:20] + other[20:]
    wrong = ["", "sv", "sv__", "x" * 10_000, secret[:-1], secret + "A", mixed, secret.upper()]
    for attempt in [*wrong, "sv_" + "0" * 16 + secret[19:], secret + "\n", f" {secret}"]:
        with pytest.raises(KeyRefused):
            vault.authenticate(attempt)


def test_the_secret_is_not_stored(vault, settings):
    secret = vault.create_key("anna", VERIFIER).secret
    random = secret.split("_", 2)[2]
    with read_session(vault._resources.engine) as session:
        stored = session.scalar(text("SELECT secret_digest FROM api_keys"))
    assert stored == hashlib.sha256(random.encode()).hexdigest()
    assert random not in json.dumps([record.personal for record in vault.audit_log()])
    if settings.database_url is None:
        files = [path for path in settings.vault.rglob("*") if path.is_file()]
        assert not [path for path in files if random.encode() in path.read_bytes()]


def test_keys_are_in_the_audit_log(vault):
    issued = vault.create_key("anna", VERIFIER, namespace="cheques", by="boss")
    vault.revoke_key(issued.key.id, by="chief")
    created, revoked = vault.audit_log()[-2:]
    assert (created.kind, revoked.kind) == ("key-created", "key-revoked")
    assert created.public == {"key": issued.key.id, "roles": ["verifier"], "expires_at": None}
    assert created.personal == {"name": "anna", "namespace": "cheques", "by": "boss"}
    assert (revoked.public, revoked.personal) == ({"key": issued.key.id}, {"by": "chief"})
    assert vault.audit_check().whole


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("", {}),
        (" anna", {}),
        ("an\nna", {}),
        ("x" * 201, {}),
        ("anna", {"roles": frozenset()}),
        ("anna", {"namespace": "a/b"}),
        ("anna", {"namespace": "ä"}),
        ("anna", {"namespace": "x" * 65}),
        ("anna", {"expires": timedelta(0)}),
    ],
)
def test_keys_that_cannot_be(vault, name, options):
    with pytest.raises(ConfigurationError):
        vault.create_key(**{"name": name, "roles": VERIFIER} | options)
    assert vault.keys() == ()


def test_only_a_known_key_can_be_revoked(vault):
    with pytest.raises(UnknownKey, match="sigvault key list"):
        vault.revoke_key("0" * 16)


def test_namespaces_are_prefixes():
    assert inside("", "53") == "53"
    assert inside("cheques", "53") == "cheques/53"
    assert outside("cheques", inside("cheques", "a/b")) == "a/b"
    assert outside("", "a/b") == "a/b"


def test_an_identification_answers_from_its_namespace_alone(enrolled):
    enrolled.enroll([EnrollmentItem("cheques/53", draw_signature(53, n)) for n in range(3)])
    enrolled.enroll([EnrollmentItem("CHEQUES/54", draw_signature(54, n)) for n in range(3)])
    found = enrolled.identify(draw_signature(1, 9), namespace="cheques", top=5)
    assert [one.signer for one in found.candidates] == ["cheques/53"]
    assert (found.signers, found.searched) == (1, 3)
    everybody = enrolled.identify(draw_signature(1, 9), top=10)
    assert everybody.candidates[0].signer == "1"
    assert (everybody.signers, everybody.searched) == (7, 21)


def test_signers_come_in_pages_and_by_namespace(enrolled):
    for signer in ("cheques/1", "cheques/2", "cheques-1", "Cheques/3"):
        enrolled.enroll([EnrollmentItem(signer, draw_signature(sum(map(ord, signer))))])
    inside_ = [one.signer for one in enrolled.signers(namespace="cheques")]
    assert inside_ == ["cheques/1", "cheques/2"]
    (second,) = enrolled.signers(namespace="cheques", after="cheques/1", limit=1)
    assert second.signer == "cheques/2"
    everybody = [one.signer for one in enrolled.signers()]
    paged = []
    while page := enrolled.signers(after=paged[-1] if paged else None, limit=2):
        paged += [one.signer for one in page]
    assert paged == everybody
    assert len(paged) == 9


REQUEST = RequestName("local", "first", "0" * 64)


def test_an_answer_is_given_again(enrolled):
    assert enrolled.find_answer(REQUEST) is None
    enrolled.keep_answer(REQUEST, '{"a": 1}', ["1", "1", "2"])
    assert enrolled.find_answer(REQUEST) == '{"a": 1}'
    assert enrolled.find_answer(RequestName("other", "first", "0" * 64)) is None
    with pytest.raises(RequestDiffers, match="'first'"):
        enrolled.find_answer(RequestName("local", "first", "1" * 64))
    enrolled.keep_answer(REQUEST, "later", ["1"])
    assert enrolled.find_answer(REQUEST) == '{"a": 1}'


def test_an_answer_is_forgotten_after_a_day_or_with_a_signer(enrolled):
    now = enrolled._resources.clock()
    enrolled.keep_answer(REQUEST, "old", ["1"])
    at(enrolled, now + timedelta(hours=25))
    assert enrolled.find_answer(REQUEST) is None
    enrolled.keep_answer(REQUEST, "new", ["1", "2"])
    assert enrolled.find_answer(REQUEST) == "new"
    enrolled.erase("2")
    assert enrolled.find_answer(REQUEST) is None


@pytest.mark.parametrize("who", ["opening", "erasure", "question"])
def test_an_answer_that_is_given_no_more_does_not_stay(enrolled, reopen_enrolled, who):
    def how_many(vault):
        with read_session(vault._resources.engine) as session:
            return len(session.scalars(select(AnswerRow)).all())

    enrolled.keep_answer(REQUEST, "old", ["1"])
    now = enrolled._resources.clock()
    at(enrolled, now + timedelta(hours=23))
    enrolled.find_answer(REQUEST)
    enrolled.erase("2")
    assert how_many(enrolled) == 1
    at(enrolled, now + timedelta(hours=25))
    if who == "opening":
        with write_session(enrolled._resources.engine) as session:
            session.scalar(select(AnswerRow)).answered_at = now - timedelta(hours=25)
        reopen_enrolled()
    elif who == "erasure":
        enrolled.erase("3")
    else:
        assert enrolled.find_answer(REQUEST) is None
    assert how_many(enrolled) == 0


def test_an_answer_about_somebody_unknown_is_not_kept(enrolled):
    enrolled.keep_answer(REQUEST, "about nobody", ["1", "nobody"])
    assert enrolled.find_answer(REQUEST) is None
