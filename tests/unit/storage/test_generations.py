from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from sigvault.domain.errors import StorageFailed, UnknownGeneration, UnknownModel, VaultDamaged
from sigvault.storage import generations
from sigvault.storage.engine import read_session, write_session
from sigvault.storage.tables import GenerationStatus


def test_a_card_comes_back_as_it_was_and_the_first_one_stays(engine, now, card):
    changed = replace(card, licence="another")
    with write_session(engine) as session:
        generations.add_model(session, card, now)
        generations.add_model(session, changed, now + timedelta(days=1))
        other = replace(card, sha256="12" * 32)
        generations.add_model(session, other, now - timedelta(days=1))

    with read_session(engine) as session:
        assert generations.get_card(session, card.id) == card
        assert generations.list_cards(session) == [other, card]


def test_an_unknown_model_says_so(engine):
    with pytest.raises(UnknownModel, match="no model x-1"), read_session(engine) as session:
        generations.get_card(session, "x-1")


def test_an_unreadable_card_is_damage(engine, now, card):
    with write_session(engine) as session:
        generations.add_model(session, card, now)
        session.execute(text("UPDATE models SET card = '{}'"))

    with (
        pytest.raises(VaultDamaged, match=r"card\.name is missing"),
        read_session(engine) as session,
    ):
        generations.get_card(session, card.id)


def test_exactly_one_generation_is_active(engine, now, add_generation):
    with write_session(engine) as session:
        one = add_generation(session)
        two = add_generation(session, active=False)
        assert generations.active_generation(session).id == one

        generations.activate_generation(session, two, now)
        generations.activate_generation(session, two, now)

    with read_session(engine) as session:
        assert generations.active_generation(session).id == two
        assert [(row.id, row.status) for row in generations.list_generations(session)] == [
            (one, GenerationStatus.RETIRED),
            (two, GenerationStatus.ACTIVE),
        ]


def test_a_retired_generation_can_decide_again(engine, now, add_generation):
    with write_session(engine) as session:
        one, two = add_generation(session), add_generation(session)
        generations.activate_generation(session, one, now)

        assert generations.active_generation(session).id == one
        assert generations.get_generation(session, two).status is GenerationStatus.RETIRED


def test_the_database_itself_refuses_a_second_active_generation(engine, add_generation):
    with write_session(engine) as session:
        add_generation(session)
        add_generation(session, active=False)

    with pytest.raises(StorageFailed, match="contradictory"), write_session(engine) as session:
        session.execute(text("UPDATE generations SET status = 'active'"))


def test_a_vault_without_an_active_generation_is_damaged(engine, now):
    with pytest.raises(VaultDamaged, match="no active generation"), read_session(engine) as session:
        generations.active_generation(session)
    with (
        pytest.raises(UnknownGeneration, match="no generation 7"),
        write_session(engine) as session,
    ):
        generations.activate_generation(session, 7, now)
