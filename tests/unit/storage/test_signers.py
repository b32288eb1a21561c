from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from sigvault.domain.errors import UnknownSigner
from sigvault.storage import embeddings, references, signers
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.index_changes import IndexChange, changes_since, last_change
from sigvault.storage.tables import ChangeKind, EmbeddingRow, ReferenceRow, SignerStatus


def test_a_signer_is_found_by_the_outside_identifier(engine, now):
    with write_session(engine) as session:
        added = signers.add_signer(session, "53", "A. B.", now)

    with read_session(engine) as session:
        found = signers.get_signer(session, "53")
        assert signers.find_signer(session, "54") is None
    assert (found.key, found.name, found.status) == (added.key, "A. B.", SignerStatus.ACTIVE)
    assert len(found.key) == 32
    assert set(found.key) <= set("0123456789abcdef")


def test_an_unknown_signer_says_so(engine):
    with (
        pytest.raises(UnknownSigner, match=r"no signer 53: .*signer list"),
        read_session(engine) as session,
    ):
        signers.get_signer(session, "53")


def test_signers_are_listed_with_their_references_page_by_page(engine, add_generation, enroll):
    with write_session(engine) as session:
        generation = add_generation(session)
        for place, name in enumerate("cabd"):
            enroll(session, generation, name, [10 * place + i for i in range(place)])

    with read_session(engine) as session:
        everyone = signers.list_signers(session)
        page = signers.list_signers(session, after="a", limit=2)
        assert signers.count_signers(session) == 4
    assert [(each.signer.external_id, each.references) for each in everyone] == [
        ("a", 1),
        ("b", 2),
        ("c", 0),
        ("d", 3),
    ]
    assert [each.signer.external_id for each in page] == ["b", "c"]


def test_signers_are_searched_by_identifier_and_name_in_any_case(engine, add_generation, enroll):
    with write_session(engine) as session:
        generation = add_generation(session)
        for place, (signer, name) in enumerate(
            [("cheques/7", "Ägidius"), ("cheques/8", "Ada"), ("loans/7", "Ägidius"), ("x", "")]
        ):
            enroll(session, generation, signer, [10 * place + i for i in range(place)], name=name)

    def found(text, limit=9, prefix=""):
        with read_session(engine) as session:
            rows = signers.search_signers(session, text, limit=limit, prefix=prefix)
        return [(each.signer.external_id, each.references) for each in rows]

    assert found("äGID") == [("cheques/7", 0), ("loans/7", 2)]
    assert found("ÄGID", limit=1) == [("cheques/7", 0)]
    assert found("7", prefix="cheques/") == [("cheques/7", 0)]
    assert found("cheques", prefix="cheques/") == []
    assert found("nobody") == []


def test_keys_are_turned_back_into_identifiers_unless_erased(engine, now):
    with write_session(engine) as session:
        kept = signers.add_signer(session, "53", "", now)
        gone = signers.add_signer(session, "54", "", now)
        signers.erase_signer(session, gone, now)

    with read_session(engine) as session:
        assert signers.external_ids(session, [kept.key, gone.key, "0" * 32]) == {kept.key: "53"}
        assert signers.external_ids(session, []) == {}


def test_erasing_takes_everything_in_every_generation(engine, now, add_generation, enroll, embed):
    with write_session(engine) as session:
        old = add_generation(session)
        key = enroll(session, old, "53", [1, 2], name="A. B.")
        enroll(session, old, "54", [3])
        new = add_generation(session, active=False)
        (reference, _) = references.list_references(session, key)
        embeddings.add_embeddings(session, new, [(reference.id, embed(1))])
        seen = last_change(session, old)

    later = now + timedelta(days=1)
    with write_session(engine) as session:
        signer = signers.get_signer(session, "53")
        owned = {row.id for row in references.list_references(session, key)}
        erased = signers.erase_signer(session, signer, later)

    assert set(erased.references) == owned
    assert {generation: len(rows) for generation, rows in erased.rows.items()} == {old: 2, new: 1}
    assert erased.orphans == (f"{1:064x}", f"{2:064x}")
    assert (signer.external_id, signer.name, signer.erased_at) == (None, None, later)
    with read_session(engine) as session:
        assert signers.find_signer(session, "53") is None
        assert [each.signer.external_id for each in signers.list_signers(session)] == ["54"]
        assert session.scalar(select(func.count()).select_from(ReferenceRow)) == 1
        assert session.scalar(select(func.count()).select_from(EmbeddingRow)) == 1
        changes = changes_since(session, old, seen)
        assert {change.kind for change in changes} == {ChangeKind.REMOVE}
        assert [row for change in changes for row in change.rows] == list(erased.rows[old])
        assert all(isinstance(change, IndexChange) for change in changes)


def test_an_erased_identifier_can_be_given_again(engine, now):
    with write_session(engine) as session:
        first = signers.add_signer(session, "53", "", now)
        signers.erase_signer(session, first, now)
        second = signers.add_signer(session, "53", "", now)

    assert first.key != second.key
    with read_session(engine) as session:
        assert signers.get_signer(session, "53").key == second.key


def test_an_image_that_another_signer_holds_is_no_orphan(engine, now, add_generation, enroll):
    with write_session(engine) as session:
        generation = add_generation(session)
        enroll(session, generation, "53", [1, 2])
        enroll(session, generation, "54", [2, 3])
        erased = signers.erase_signer(session, signers.get_signer(session, "53"), now)

    assert erased.orphans == (f"{1:064x}",)
