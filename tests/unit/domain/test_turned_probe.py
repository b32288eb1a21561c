"""By how much a probe lies turned against references is told, and nothing of what doesn't."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import numpy as np
import pytest

from fakes import FUSION, FakeEmbedder, draw_signature
from sigvault.domain.comparison import Score
from sigvault.domain.local_matching import TURN_MARGIN, match_local
from sigvault.domain.turn_fit import fit_turn
from sigvault.domain.turned_probe import (
    LEAST_TURN,
    RESIDUAL,
    find_turned,
    once_straightened,
    tell_turn,
)
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.imaging.turning import turn_image
from sigvault.services.acquisition import acquire

TURNS = (-12.0, 12.0)


def ink(signer, number, degrees=0.0):
    prepared = acquire(draw_signature(signer, number), DEFAULT_PREPROCESSING).prepared
    return turn_image(prepared.ink, degrees) if degrees else prepared.ink


def embed(*images, turns=()):
    return FakeEmbedder(turns=turns, wide=True).embed(images, as_references=bool(turns))


@pytest.fixture(scope="module", params=[(), TURNS], ids=["level", "three sides"])
def turns(request):
    return request.param


@pytest.fixture(scope="module")
def references(turns):
    return embed(*(ink(1, number) for number in range(4)), turns=turns)


@pytest.mark.parametrize("degrees", [-22.0, -18.0, 18.0, 22.0])
def test_a_probe_is_turned_back_by_about_as_much_as_it_lies_turned(references, turns, degrees):
    (probe,) = embed(ink(1, 1, degrees))
    assert tell_turn(probe, references, turns) == pytest.approx(-degrees, abs=4.0)


def test_a_level_probe_and_one_turned_a_little_are_left_as_they_are(references, turns):
    for number, degrees in ((1, 0.0), (6, 0.0), (1, 6.0), (1, -6.0)):
        (probe,) = embed(ink(1, number, degrees))
        assert tell_turn(probe, references, turns) is None


def test_it_is_the_median_of_what_the_most_alike_views_say(references, turns):
    (probe,) = embed(ink(1, 2, 21.0))
    assert tell_turn(probe, references, turns) == pytest.approx(slowly(probe, references, turns))


def slowly(probe, references, turns):
    """Every view compared by itself, and the best third of them, five at most, asked."""
    found = []
    for reference in references:
        views = reference.local if reference.local.ndim == 4 else [reference.local]
        for number, view in enumerate(views):
            score = match_local(probe.level, view).score - (TURN_MARGIN if number else 0.0)
            found.append((score, (0.0, *turns)[number], fit_turn(probe.level, view)))
    found.sort(key=lambda one: -one[0])
    asked = found[: max(1, min(5, len(found) // 3))]
    assert median(fit.residual for _, _, fit in asked) <= RESIDUAL
    return median(fit.told - degrees for _, degrees, fit in asked)


def test_cells_that_agree_on_no_turn_tell_none(references, turns):
    """Ink here and there, of nobody's hand."""
    chance = np.random.default_rng(3)
    plain = ink(1, 0)
    scattered = np.zeros_like(plain.ink)
    for _ in range(60):
        row, column = (int(chance.integers(4, size - 4)) for size in scattered.shape)
        scattered[row - 3 : row + 3, column - 3 : column + 3] = 1.0
    (probe,) = embed(replace(plain, ink=scattered))
    assert tell_turn(probe, references, turns) is None


def test_a_probe_without_ink_tells_none(references, turns):
    plain = ink(1, 0)
    (probe,) = embed(replace(plain, ink=np.zeros_like(plain.ink)))
    assert tell_turn(probe, references, turns) is None


def test_views_that_nobody_said_were_turned_are_refused():
    references = embed(ink(1, 0), turns=TURNS)
    (probe,) = embed(ink(1, 1))
    with pytest.raises(ValueError, match="more than 1 views each"):
        tell_turn(probe, references, ())


@pytest.mark.parametrize(
    ("degrees", "way"), [(-20.4, "anticlockwise"), (16.0, "clockwise")], ids=["left", "right"]
)
def test_the_finding_says_how_the_probe_lay(degrees, way):
    score = Score(0.5, (), None, FUSION, straightened=degrees)
    (finding,) = find_turned(score)
    assert (finding.name, finding.value, finding.limit) == ("turned", abs(degrees), LEAST_TURN)
    assert not finding.severe
    assert f"turned {way} by {abs(degrees):.0f} degrees" in finding.message
    assert once_straightened(score) == f" turned back by {abs(degrees):.0f} degrees"


def test_a_probe_that_was_compared_as_it_is_has_no_such_finding():
    score = Score(0.5, (), None, FUSION)
    assert find_turned(score) == ()
    assert once_straightened(score) == ""
