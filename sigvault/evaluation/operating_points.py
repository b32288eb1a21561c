"""The operating points that a threshold offers, with their error rates and intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sigvault.domain.comparison import ErrorRates, OperatingPoint, Rate
from sigvault.evaluation.error_rates import (
    BOOTSTRAPS,
    SignerScores,
    equal_error,
    fmr_rate,
    fnmr_rate,
    threshold_at_fmr,
    threshold_at_fnmr,
)

AIMS = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5),
)
"""The rates of each kind that points are laid at; an aim in between gets the stricter one."""

_DIGITS = 5  # a hundredth of a thousandth: far below any interval, and the card stays small


def measure_points(
    random: SignerScores,
    skilled: SignerScores | None,
    *,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> tuple[OperatingPoint, ...]:
    """Lay points where each rate meets each of ``AIMS`` and at the equal error rates.

    Args:
        random: scores by signer, with random forgeries.
        skilled: the same with skilled forgeries, or None without such data.
        bootstraps: how many times signers are resampled for each interval.
        seed: of the resampling.

    Returns:
        The points by rising score, none twice.
    """
    named = {equal_error(random.all_mated, random.all_non_mated).threshold: "eer_random"}
    scores = [threshold_at_fmr(random.all_non_mated, aim) for aim in AIMS]
    scores += [threshold_at_fnmr(random.all_mated, aim) for aim in AIMS]
    if skilled is not None:
        scores += [threshold_at_fmr(skilled.all_non_mated, aim) for aim in AIMS]
        place = equal_error(skilled.all_mated, skilled.all_non_mated).threshold
        named[place] = " ".join(filter(None, (named.get(place, ""), "eer_skilled")))
    finite = sorted(score for score in {*scores, *named} if abs(score) < float("inf"))
    return tuple(
        OperatingPoint(
            score,
            _round(rates_at(random, skilled, score, bootstraps=bootstraps, seed=seed)),
            named.get(score, ""),
        )
        for score in finite
    )


def rates_at(
    random: SignerScores,
    skilled: SignerScores | None,
    threshold: float,
    *,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> ErrorRates:
    """All error rates when everything from a score upwards passes.

    Args:
        random: scores by signer, with random forgeries.
        skilled: the same with skilled forgeries, or None without such data.
        threshold: the score.
        bootstraps: how many times signers are resampled for each interval.
        seed: of the resampling.
    """

    def measured(rate: Callable[..., Rate], scores: SignerScores) -> Rate:
        return rate(scores, threshold, bootstraps=bootstraps, seed=seed)

    return ErrorRates(
        fnmr=measured(fnmr_rate, random),
        fmr=measured(fmr_rate, random),
        skilled_fmr=None if skilled is None else measured(fmr_rate, skilled),
    )


def _round(rates: ErrorRates) -> ErrorRates:
    skilled = rates.skilled_fmr
    return replace(
        rates,
        fnmr=_round_rate(rates.fnmr),
        fmr=_round_rate(rates.fmr),
        skilled_fmr=None if skilled is None else _round_rate(skilled),
    )


def _round_rate(rate: Rate) -> Rate:
    return Rate(round(rate.value, _DIGITS), round(rate.low, _DIGITS), round(rate.high, _DIGITS))
