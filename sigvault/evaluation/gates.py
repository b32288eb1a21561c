"""The gates (protocol P0): does anything but the writing tell genuine signatures from forgeries?

Asked of every data set before an error rate is reported, of pictures as the model sees them:

1. No single statistic of the ink on the canvas separates genuine from forged with an AUC above
   0.55, pooled or centred within the signer, unless it is explained as the writing itself.
2. The session test comes out at 0.50 within 0.03.
3. No picture lies, nearly the same, under two signers, and so in two splits, which are by signer.

What counts as explained is in `gate_verdicts`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import SignerId
from sigvault.evaluation.gate_statistics import (
    PEN,
    FloatImage,
    coarse_ink,
    grey_statistics,
    ink_statistics,
    redraw_path,
)
from sigvault.evaluation.gate_verdicts import (
    GateStatistic,
    explained_statistics,
    failed_statistics,
    judge,
)
from sigvault.evaluation.leaks import (
    Leak,
    correlation_within,
    find_near_duplicates,
    measure_leaks,
)
from sigvault.evaluation.session_test import TOLERANCE, SessionTest


@dataclass(frozen=True)
class Copy:
    """Two files whose pictures are nearly the same.

    Attributes:
        first: name of the one file.
        second: name of the other.
        first_signer: whose signature the one is or imitates.
        second_signer: the same of the other.
        correlation: of their coarse ink, in [0.9, 1].
    """

    first: str
    second: str
    first_signer: SignerId
    second_signer: SignerId
    correlation: float


@dataclass(frozen=True)
class GateReport:
    """What the gates found in one data set.

    Attributes:
        signers: how many.
        genuine: genuine signatures.
        forged: skilled forgeries.
        passed: whether no gate that was asked failed.
        failures: every failure, in plain words.
        explained: every statistic above 0.55 that is the writing itself, with the figures.
        not_asked: gates that don't apply or were left out, and why.
        statistics: of the ink as the model sees it; none without both classes.
        scanned: of the pictures and files before preprocessing, for information: no gate.
        copies: near-duplicates across signers.
        own_copies: near-duplicates within a signer, for information: no gate.
        session: the session test, if it was run.
    """

    signers: int
    genuine: int
    forged: int
    passed: bool
    failures: tuple[str, ...]
    explained: tuple[str, ...]
    not_asked: tuple[str, ...]
    statistics: tuple[GateStatistic, ...]
    scanned: tuple[Leak, ...]
    copies: tuple[Copy, ...]
    own_copies: tuple[Copy, ...]
    session: SessionTest | None


class GateCollector:
    """Takes pictures one at a time and keeps their statistics, about 7 kB each."""

    def __init__(self, pen: float = PEN) -> None:
        """Start with nothing.

        Args:
            pen: the width of the pen that paths are redrawn with, in pixels of the canvas: the
                recipe's own where it redraws them itself.
        """
        self._pen = pen
        self._signers: list[SignerId] = []
        self._forged: list[bool] = []
        self._names: list[str] = []
        self._seen: list[dict[str, float]] = []
        self._path: list[dict[str, float]] = []
        self._scanned: list[dict[str, float]] = []
        self._coarse: list[FloatImage] = []
        self._shape: tuple[int, ...] | None = None

    def add(
        self,
        signer: SignerId,
        genuine: bool,
        name: str,
        ink: FloatImage,
        *,
        file_bytes: int,
        grey: npt.NDArray[np.uint8] | None = None,
        fine: FloatImage | None = None,
    ) -> None:
        """Take one picture.

        Args:
            signer: whose signature it is, or is meant to look like.
            genuine: False for a skilled forgery.
            name: the file, as a reader can find it.
            ink: float32 (H, W) in [0, 1], as the model sees it.
            file_bytes: size of the file.
            grey: uint8, decoded and not yet harmonised; None if it is not at hand.
            fine: the same ink on a canvas finer by a whole factor, to trace the path on, float32
                (H * factor, W * factor); the canvas's own pixels if None, on which the sharpness
                of edges can hardly be followed.

        Raises:
            ValueError: If the canvas differs from the others', or ``fine`` doesn't fit it.
        """
        traced = ink if fine is None else fine
        fineness = traced.shape[0] // ink.shape[0]
        if self._shape not in (None, ink.shape):
            raise ValueError(f"{name} is on a canvas of {ink.shape}, the others of {self._shape}")
        if traced.shape != tuple(side * fineness for side in ink.shape):
            raise ValueError(f"fine ink {traced.shape} is no whole multiple of {ink.shape}")
        self._shape = ink.shape
        self._signers.append(signer)
        self._forged.append(not genuine)
        self._names.append(name)
        self._seen.append(ink_statistics(ink))
        self._path.append(ink_statistics(redraw_path(traced, fineness, self._pen)))
        before = {} if grey is None else grey_statistics(grey)
        self._scanned.append(before | {"file size": float(file_bytes)})
        self._coarse.append(coarse_ink(ink))

    def finish(self, session: SessionTest | None, *, draws: int = 500, seed: int = 0) -> GateReport:
        """Judge what was taken.

        Args:
            session: the session test on the same data; None if it can't be run, or was not.
            draws: bootstrap draws over signers, for the intervals.
            seed: of the draws.

        Raises:
            DatasetError: If no picture was taken.
        """
        if not self._names:
            raise DatasetError("the gates need at least one picture, and there is none")
        statistics: tuple[GateStatistic, ...] = ()
        scanned: tuple[Leak, ...] = ()
        if any(self._forged) and not all(self._forged):
            statistics = self._judge(draws, seed)
            shared = [
                name for name in self._scanned[0] if all(name in own for own in self._scanned)
            ]
            scanned = self._measure(
                [{name: own[name] for name in shared} for own in self._scanned], draws, seed
            )
        copies = self._copies()
        across = tuple(copy for copy in copies if copy.first_signer != copy.second_signer)
        failures = (
            *failed_statistics(statistics),
            *_failed_session(session),
            *_failed_copies(across),
        )
        return GateReport(
            signers=len(set(self._signers)),
            genuine=self._forged.count(False),
            forged=self._forged.count(True),
            passed=not failures,
            failures=failures,
            explained=tuple(explained_statistics(statistics)),
            not_asked=self._not_asked(session),
            statistics=statistics,
            scanned=scanned,
            copies=across,
            own_copies=tuple(copy for copy in copies if copy.first_signer == copy.second_signer),
            session=session,
        )

    def _measure(
        self, rows: Sequence[Mapping[str, float]], draws: int, seed: int
    ) -> tuple[Leak, ...]:
        return measure_leaks(rows, self._forged, self._signers, draws=draws, seed=seed)

    def _judge(self, draws: int, seed: int) -> tuple[GateStatistic, ...]:
        judged = []
        for seen, path in zip(
            self._measure(self._seen, draws, seed),
            self._measure(self._path, draws, seed),
            strict=True,
        ):
            correlation = correlation_within(
                [own[seen.statistic] for own in self._seen],
                [own[seen.statistic] for own in self._path],
                self._forged,
                self._signers,
            )
            judged.append(GateStatistic(seen, path, correlation, judge(seen, path, correlation)))
        return tuple(judged)

    def _copies(self) -> tuple[Copy, ...]:
        return tuple(
            Copy(
                self._names[pair.first],
                self._names[pair.second],
                self._signers[pair.first],
                self._signers[pair.second],
                pair.correlation,
            )
            for pair in find_near_duplicates(self._coarse)
        )

    def _not_asked(self, session: SessionTest | None) -> tuple[str, ...]:
        if all(self._forged) or not any(self._forged):
            missing = "genuine signatures" if all(self._forged) else "forgeries"
            statistics = f"whether statistics separate genuine from forged: there are no {missing}"
            return (statistics, "the session test: the same") if session is None else (statistics,)
        if session is not None:
            return ()
        kinds = set(zip(self._signers, self._forged, strict=True))
        both = sum((signer, True) in kinds and (signer, False) in kinds for signer, _ in kinds)
        if both < 4:  # each signer with both kinds was counted twice
            return ("the session test: fewer than two signers have genuine and forged ones",)
        return ("the session test: it was not run, because it takes a model's scores",)


def _failed_session(session: SessionTest | None) -> list[str]:
    if session is None or session.passed:
        return []
    return [
        f"the session test tells the sessions apart: {session.cosine:.3f} by the cosine and"
        f" {session.local:.3f} by the local score, instead of 0.50 within {TOLERANCE}"
    ]


def _failed_copies(copies: Sequence[Copy]) -> list[str]:
    if not copies:
        return []
    first = copies[0]
    return [
        f"{len(copies)} pair{'s' * (len(copies) > 1)} of pictures under different signers nearly"
        f" the same, first of all {first.first} and {first.second}"
        f" (correlation {first.correlation:.3f})"
    ]
