"""Numbers and decisions in plain words."""

from __future__ import annotations

from sigvault.domain.comparison import Candidate, Decision, Evidence, Rate, Threshold
from sigvault.domain.copies import once_turned
from sigvault.domain.turned_probe import once_straightened
from sigvault.domain.verbal_scale import describe_llr

HEADLINES = {
    Decision.ACCEPT: "Accepted",
    Decision.REVIEW: "Needs review",
    Decision.REFUSE: "Refused",
}
"""Each decision as the heading of a report."""


def headline(decision: Decision) -> str:
    """A decision as a heading."""
    return HEADLINES[decision]


def explain_decision(evidence: Evidence) -> str:
    """Why the score led to the decision, in one or two sentences."""
    threshold, signer = evidence.threshold, evidence.signer
    score = f"its score {evidence.score.value:.3f}"
    accept, refuse = f"accept point {threshold.accept:.3f}", f"refuse point {threshold.refuse:.3f}"
    copied = evidence.copied
    if copied is not None and evidence.decision is Decision.REVIEW:
        number = evidence.score.per_reference.index(copied) + 1
        return (
            f"The probe is stroke for stroke like reference {number} of signer {signer}"
            f"{once_turned(copied)}, as no second signature is (local score {copied.likest:.3f}, "
            f"copies from {threshold.copy_limit:.3f}): perhaps a pasted picture. A person should "
            f"look at the paper, whatever {score} says; the likelihood ratio weighs imitations by "
            "hand, not copies."
        )
    traced = evidence.traced
    if traced is not None and threshold.decide(evidence.score.value) is Decision.ACCEPT:
        number = evidence.score.per_reference.index(traced) + 1
        return (
            f"The probe is liker to reference {number} of signer {signer}{once_turned(traced)} "
            f"than 99 in 100 signatures get (local score {traced.likest:.3f}, perhaps traced from "
            f"{threshold.trace_limit_of(evidence.score):.3f}): {score} would be accepted, but a "
            "person should look at the ink first; the likelihood ratio weighs imitations by free "
            "hand, not tracings."
        )
    if evidence.decision is Decision.ACCEPT:
        return (
            f"The probe resembles signer {signer}'s references as genuine signatures do: "
            f"{score} reaches the {accept}."
        )
    if evidence.decision is Decision.REVIEW:
        return (
            f"A person should compare the probe with signer {signer}'s references: {score} lies "
            f"between the {refuse} and the {accept}, where neither answer is safe enough."
        )
    return (
        f"The probe resembles signer {signer}'s references less than genuine signatures do: "
        f"{score} lies below the {refuse}."
    )


def explain_ratio(llr: float, threshold: Threshold, signer: str) -> str:
    """What a base-10 log-likelihood ratio means, in one or two sentences."""
    ratio = readable_ratio(abs(llr))
    one = f"if signer {signer} wrote it"
    other = "if somebody imitated the signature"
    likelier, less_likely = (one, other) if llr >= 0 else (other, one)
    if ratio == "1.0":
        text = f"Such a score is as probable {one} as {other}."
    else:
        text = f"Such a score is about {ratio} times as probable {likelier} as {less_likely}."
    limits = threshold.likelihood_ratio
    if llr >= limits.upper or llr <= limits.lower:
        text += " The calibration data support no stronger statement."
    return text


def candidate_strength(candidate: Candidate) -> str:
    """The likelihood ratio in words, and whether the picture was turned back for it."""
    turned = once_straightened(candidate.score)
    return describe_llr(candidate.llr, "this signer") + (f", the picture{turned}" if turned else "")


def readable_ratio(exponent: float) -> str:
    """Ten to a power, to two significant digits: ``3.2``, ``41``, ``6,300``."""
    ratio = 10.0**exponent
    if ratio < 9.95:
        return f"{ratio:.1f}"
    digits = len(str(round(ratio))) - 2
    return f"{round(ratio, -digits):,.0f}"


def percent(share: float) -> str:
    """A share in percent, with as many digits as help: ``12 %``, ``3.4 %``, ``0.05 %``."""
    value = 100.0 * share
    if value == 0 or value >= 9.95:
        return f"{value:.0f} %"
    return f"{value:.1f} %" if value >= 0.095 else f"{value:.2g} %"


def rate_in_words(rate: Rate) -> str:
    """A rate with its 95 % interval: ``3.4 % (2.1 % to 5.0 %)``."""
    return f"{percent(rate.value)} ({percent(rate.low)} to {percent(rate.high)})"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: ``1 signer``, ``12 signers``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
