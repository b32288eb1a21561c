"""A probe that lies turned against the references is turned back, and compared once more.

It costs a pass through the network, so it is done for probes alone that would not be accepted as
they are, and only where their cells agree on a turn. Whichever of the two is more alike counts: a
turn is told wrongly now and then, and many a hand rises by itself.
"""

from __future__ import annotations

from dataclasses import replace

from sigvault.domain.comparison import Decision, Score, compare
from sigvault.domain.gallery import Gallery
from sigvault.domain.ports import Embedder
from sigvault.domain.turned_probe import tell_turn
from sigvault.imaging.turning import turn_image
from sigvault.services.closer_look import look_closer, suspect_copy
from sigvault.services.comparing import Claimed, Comparison


def suspect_turn(embedder: Embedder, compared: Comparison, claimed: Claimed) -> float | None:
    """By how many degrees to turn a probe back; None where that is not worth a pass.

    Args:
        embedder: the model.
        compared: the probe as it is.
        claimed: whom it was compared with.
    """
    if claimed.threshold.decide(compared.score.value) is Decision.ACCEPT:
        return None
    references = [reference.embedding for reference in claimed.gallery.references]
    return tell_turn(compared.embedding, references, embedder.card.local_turns)


def straighten(
    embedder: Embedder, compared: Comparison, gallery: Gallery, degrees: float
) -> Comparison:
    """The probe turned by so much and compared again, or as it was where that is more alike.

    Args:
        embedder: the model.
        compared: the probe as it is.
        gallery: what it was compared with.
        degrees: anticlockwise positive.

    Raises:
        GenerationMismatch: If the ink was prepared for another model.
    """
    ink = turn_image(compared.ink, degrees)
    (embedding,) = embedder.embed([ink])
    score = compare(embedding, gallery, compared.score.fusion)
    if score.value <= compared.score.value:
        return compared
    return Comparison(ink, embedding, replace(score, straightened=degrees))


def look_again(embedder: Embedder, compared: Comparison, claimed: Claimed) -> Score:
    """The score of a probe that is straightened, and looked at closer, where that is worth it.

    Args:
        embedder: the model.
        compared: the probe as it is.
        claimed: whom it was compared with.

    Raises:
        GenerationMismatch: If the ink was prepared for another model.
    """
    degrees = suspect_turn(embedder, compared, claimed)
    if degrees is not None:
        compared = straighten(embedder, compared, claimed.gallery, degrees)
    degrees = suspect_copy(compared, claimed)
    return compared.score if degrees is None else look_closer(embedder, compared, claimed, degrees)
