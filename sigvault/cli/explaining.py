"""Where a threshold comes from, in plain words."""

from __future__ import annotations

from sigvault.domain.aims import Measure
from sigvault.domain.comparison import TRACE_MARGIN, ErrorRates, Rate, Threshold
from sigvault.domain.threshold_fit import describe_fit


def explain_threshold(threshold: Threshold, references: int | None = None) -> tuple[str, ...]:
    """A paragraph each on the decision, its origin, its error rates, and its limits.

    Args:
        threshold: what is explained.
        references: how many references the signer has, if it was asked for a number.
    """
    return (
        _decides(threshold, references),
        _origin(threshold),
        f"At the accept point {_rates(threshold.accept_rates)}",
        f"At the refuse point {_rates(threshold.refuse_rates)}",
        "How to read this: the range in brackets would hold the true rate in 95 of 100 such "
        "measurements with other signers of the same kind. Where it is wide, few signers were "
        "measured. The rates were measured on the signers that the points were set on, so expect "
        "them to be slightly worse for yours.",
        _ratio(threshold),
        _support(threshold),
        _copies(threshold),
        _limits(threshold),
    )


def _decides(threshold: Threshold, references: int | None) -> str:
    own = threshold.references
    head = f"A signer with {_count(own, 'reference')}"
    if references is not None and references != own:
        head = (
            f"For a signer with {_count(references, 'reference')} the thresholds for {own} are "
            f"used ({describe_fit(threshold, references)}). Such a signer"
        )
    if threshold.refuse == threshold.accept:
        middle = "There is no score at which a person has to look."
    else:
        middle = "In between, a person has to look."
    return (
        f"{head}: a signature is accepted from a score of {threshold.accept:.3f} upwards and "
        f"refused below {threshold.refuse:.3f}. {middle}"
    )


def _origin(threshold: Threshold) -> str:
    origin = threshold.origin
    return (
        f"Where it comes from: {_count(origin.signers, 'signer')} of {origin.data}. "
        f"References were drawn {_count(origin.draws, 'time')} at random for each signer (seed "
        f"{origin.seed}); {origin.mated} genuine signatures, {origin.random_forgeries} signatures "
        f"of other people (random forgeries) and {origin.skilled_forgeries} imitations (skilled "
        f"forgeries) were compared, by model {origin.model} with {origin.preprocessing}. "
        f"In full: {origin.protocol}."
    )


def _rates(rates: ErrorRates) -> str:
    skilled = "imitations were not measured"
    if rates.skilled_fmr is not None:
        skilled = f"{_often(rates.skilled_fmr)} imitations score as high or higher"
    return (
        f"{_often(rates.fnmr)} genuine signatures score lower, {_often(rates.fmr)} signatures of "
        f"other people score as high or higher, and {skilled}."
    )


def _often(rate: Rate) -> str:
    low, high = 100 * rate.low, 100 * rate.high
    return f"{100 * rate.value:.2f} % ({low:.2f} to {high:.2f} %) of"


def _ratio(threshold: Threshold) -> str:
    ratio = threshold.likelihood_ratio
    against = "imitations" if threshold.origin.skilled_forgeries else "other people's signatures"
    return (
        f"The likelihood ratio compares genuine signatures with {against}, is fitted by the "
        f"{ratio.method} method, and never claims more than these data show: between "
        f"1 to {10**-ratio.lower:.0f} against and {10**ratio.upper:.0f} to 1 for the signer."
    )


def _support(threshold: Threshold) -> str:
    if not threshold.points:
        return (
            "It was made before operating points were measured, so no other error rate can be "
            "aimed at: run `sigvault calibrate` again."
        )
    aims = ", ".join(
        f"{100 * threshold.least_rate(measure):.2g} % of {measure.words}"
        for measure in (Measure.FMR, Measure.SKILLED_FMR)
        if threshold.distinct(measure)
    )
    return (
        f"Other operating points: `sigvault verify --at-fmr RATE` or `--at-skilled-fmr RATE`. The "
        f"smallest aims that the data support are {aims} (rule of three, ISO/IEC 19795-1: a rate "
        "p takes 3/p distinct comparisons); below ten times that, read the range, not the rate."
    )


def _copies(threshold: Threshold) -> str:
    if threshold.copy_limit is None:
        return (
            "It was made before copies raised an alarm, so a pasted picture of a reference is "
            "accepted like the signature itself: run `sigvault calibrate` again."
        )
    return (
        "A probe whose local score with one reference is "
        f"{threshold.copy_limit:.3f} or more counts as a copy of it, perhaps pasted: an alarm is "
        "raised, and it is not accepted, whatever its score. Copies among these data apart, at "
        "most 1 in 1000 of their genuine signatures came so near to a reference."
        + _tracings(threshold)
    )


def _tracings(threshold: Threshold) -> str:
    if threshold.trace_limit is None:
        return (
            " It was made before tracings raised one: run `sigvault calibrate` again for a limit."
        )
    return (
        f" From {threshold.trace_limit:.3f} on, or {TRACE_MARGIN} above what the references score "
        "with each other if that is more, it was perhaps traced and is not accepted either; at "
        "most 1 in 100 of the genuine ones came so near."
    )


def _limits(threshold: Threshold) -> str:
    return (
        "What it does not cover: other scanners, pens and paper than in those data; other "
        "populations and scripts; forgers better than those who made these imitations; and "
        f"numbers of references other than {threshold.references}."
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
