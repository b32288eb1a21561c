"""How often an image can't serve at all: failure to acquire and failure to enroll.

Images that fail are left out of every other rate, so these are reported beside them
(ISO/IEC 19795-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import beta

from sigvault.domain.comparison import Rate
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.error_rates import BOOTSTRAPS, CONFIDENCE, clustered_share


@dataclass(frozen=True)
class SignerImages:
    """How many images of a signer there were, and how many of them could not serve.

    Attributes:
        signer: whose.
        genuine: genuine signatures submitted.
        genuine_failed: those of them that could not serve.
        forged: skilled forgeries submitted.
        forged_failed: those of them that could not serve.
    """

    signer: SignerId
    genuine: int
    genuine_failed: int
    forged: int = 0
    forged_failed: int = 0

    def __post_init__(self) -> None:
        """Check the counts.

        Raises:
            ValueError: If more images failed than there were.
        """
        if not 0 <= self.genuine_failed <= self.genuine:
            raise ValueError(f"{self.genuine_failed} of {self.genuine} genuine images failed")
        if not 0 <= self.forged_failed <= self.forged:
            raise ValueError(f"{self.forged_failed} of {self.forged} forged images failed")


@dataclass(frozen=True)
class AcquisitionRates:
    """How often images and signers could not serve.

    Attributes:
        images: how many images were submitted.
        failed: how many of them could not serve.
        references: the number of references that enrolling takes.
        fta: the share of images that could not serve as probes; the interval resamples signers.
        genuine_fta: the share among genuine signatures.
        forged_fta: the share among skilled forgeries; None without any. Where it differs from
            the share among genuine ones, the failures themselves tell the kinds apart.
        fte: the share of signers left with fewer usable genuine signatures than enrolling
            takes, of those who had enough; the interval is Clopper and Pearson's. None if
            nobody had enough.
    """

    images: int
    failed: int
    references: int
    fta: Rate
    genuine_fta: Rate
    forged_fta: Rate | None
    fte: Rate | None


def measure_acquisition(
    signers: Sequence[SignerImages],
    references: int,
    *,
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> AcquisitionRates:
    """Measure how often images and signers could not serve.

    Args:
        signers: at least one, with at least one genuine signature among them.
        references: the number of references that enrolling takes.
        bootstraps: how many times signers are resampled.
        seed: of the resampling.
    """
    genuine = [own.genuine for own in signers], [own.genuine_failed for own in signers]
    forged = [own.forged for own in signers], [own.forged_failed for own in signers]
    totals = [own.genuine + own.forged for own in signers]
    failed = [own.genuine_failed + own.forged_failed for own in signers]
    able = [own for own in signers if own.genuine >= references]
    lost = sum(own.genuine - own.genuine_failed < references for own in able)
    return AcquisitionRates(
        images=sum(totals),
        failed=sum(failed),
        references=references,
        fta=clustered_share(failed, totals, 1, bootstraps, seed),
        genuine_fta=clustered_share(genuine[1], genuine[0], 1, bootstraps, seed),
        forged_fta=clustered_share(forged[1], forged[0], 1, bootstraps, seed)
        if sum(forged[0])
        else None,
        fte=binomial_rate(lost, len(able)) if able else None,
    )


def binomial_rate(count: int, total: int) -> Rate:
    """A share of independent trials with the exact interval of Clopper and Pearson (1934).

    Args:
        count: how many trials had the outcome.
        total: how many trials there were, at least 1.
    """
    tail = 0.5 * (1.0 - CONFIDENCE)
    low = float(beta.ppf(tail, count, total - count + 1)) if count else 0.0
    high = float(beta.ppf(1.0 - tail, count + 1, total - count)) if count < total else 1.0
    return Rate(count / total, low, high)
