"""A loss takes its own parameters and no others, and none that would turn it round."""

from __future__ import annotations

from typing import get_args

import pytest

from sigvault.domain.errors import ConfigurationError
from sigvault.training.config import config_from_dict
from sigvault.training.losses import settings

MINIMAL = {"name": "m", "licence": "", "data": [{"path": "d", "layout": "folders", "licence": ""}]}


def read(**entries: object) -> settings.Loss:
    return config_from_dict({**MINIMAL, "loss": entries}, source="here").loss


def test_the_names_are_those_of_the_settings():
    union, _ = get_args(settings.Loss)
    kinds = [get_args(member)[0] for member in get_args(union)]
    assert tuple(kind().name for kind in kinds) == settings.NAMES
    for kind in kinds:
        assert read(name=kind().name) == kind()


def test_without_a_name_it_is_multi_similarity():
    assert config_from_dict(MINIMAL, source="here").loss == settings.MultiSimilarity()
    assert read(beta=50.0, local_weight=0.5) == settings.MultiSimilarity(
        beta=50.0, local_weight=0.5
    )


def test_the_notebook_s_defaults():
    assert read(name="batch-triplet") == settings.BatchTriplet(
        mining="batch-hard", distance="euclidean", p=2.0, margin=1.0, soft_margin=False
    )


def test_a_table_of_ranking_is_read():
    found = read(name="arcface", forgeries={"skilled": 2.0, "scale": 20.0})
    assert found.forgeries == settings.ForgeryRanking(skilled=2.0, scale=20.0)


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ({"name": "contrastive"}, "multi-similarity, triplet-margin, batch-triplet"),
        ({"name": ["arcface"]}, "no such loss"),
        ({"name": "batch-triplet", "beta": 40.0}, r"loss\.batch-triplet\.beta"),
        ({"name": "arcface", "forgeries_are_genuine": True}, "forgeries_are_genuine"),
        ({"name": "batch-triplet", "mining": "easy"}, "mining"),
        ({"name": "batch-triplet", "distance": "manhattan"}, "distance"),
        ({"name": "batch-triplet", "p": 0.5}, r"loss\.p is 0\.5: use 1 or more"),
        ({"name": "batch-triplet", "p": float("inf")}, r"loss\.p"),
        ({"name": "batch-triplet", "margin": float("nan")}, r"loss\.margin is nan"),
        ({"name": "triplet-margin", "margin": -0.1}, r"loss\.margin"),
        ({"name": "arcface", "margin": 90.0}, "less than 90"),
        ({"name": "sub-centre-arcface", "sub_centres": 0}, "sub_centres"),
        ({"forgeries": {"strength": 1.0}}, r"forgeries\.strength"),
        # What would reward likeness to a forgery.
        ({"forgeries": {"skilled": -1.0}}, r"loss\.forgeries\.skilled"),
        ({"forgeries": {"random": -1.0}}, r"loss\.forgeries\.random"),
        ({"forgeries": {"scale": 0.0}}, r"loss\.forgeries\.scale"),
        ({"beta": -40.0}, r"loss\.beta is -40: use more than 0"),
        ({"name": "tuplet-margin", "scale": -1.0}, r"loss\.scale"),
        ({"name": "supervised-contrastive", "temperature": -0.1}, r"loss\.temperature"),
        ({"local_weight": -1.0}, r"loss\.local_weight"),
        ({"diversity": -0.1}, r"loss\.diversity"),
    ],
    ids=str,
)
def test_a_wrong_entry_is_named(entries: dict[str, object], named: str):
    with pytest.raises(ConfigurationError, match=named):
        read(**entries)
