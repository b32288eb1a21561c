"""Evaluations of made-up scores, for tests of their figures and of their page."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from made_up import made_up_scores
from sigvault.domain.comparison import Threshold
from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.domain.protocol import Protocol
from sigvault.evaluation.acquisition_rates import SignerImages, measure_acquisition
from sigvault.evaluation.answers import Choice, answer
from sigvault.evaluation.calibration import Provenance, calibrate
from sigvault.evaluation.gates import GateReport
from sigvault.evaluation.report import EvaluationReport, Subject
from sigvault.evaluation.results import Extras, measure

RULE = FusionRule(2, 0.5, 0.0, 0.0)


@pytest.fixture(scope="session")
def threshold() -> Threshold:
    """Set on other signers."""
    provenance = Provenance("others", ModelId("m-1"), "p-1")
    return calibrate(made_up_scores(99), RULE, provenance, bootstraps=20)


@pytest.fixture(scope="session")
def make_report(threshold: Threshold) -> Callable[..., EvaluationReport]:
    """A report, with or without skilled forgeries, thresholds and warnings."""

    def make(
        *, skilled: bool = True, decided: bool = True, warnings: tuple[str, ...] = ()
    ) -> EvaluationReport:
        scores = made_up_scores(0, skilled=skilled)
        frozen = threshold if decided else None
        images = [SignerImages(signer, 5, 1, 4, 0) for signer in scores.signers]
        extras = Extras(
            acquisition=measure_acquisition(images, 2, bootstraps=20),
            calibrated_with=(2,) if decided else (),
            points=(threshold.accept, threshold.refuse) if decided else None,
        )
        answers = answer(scores, [Choice(None, RULE, frozen)])
        subject = Subject(
            protocol=Protocol.P1,
            data="made up",
            model=ModelId("m-1"),
            preprocessing="p-1",
            images=99,
            seed=0,
            choices="the model's card",
            rules=(RULE,),
            left_out=(SignerId("seen"),),
            warnings=warnings,
            unusable=("x.png: UnsupportedImage: empty",),
        )
        gates = GateReport(
            signers=6,
            genuine=30,
            forged=24,
            passed=True,
            failures=(),
            explained=(),
            not_asked=("the session test: there are too few signers",),
            statistics=(),
            scanned=(),
            copies=(),
            own_copies=(),
            session=None,
        )
        return EvaluationReport(subject, gates, (measure(answers, extras, bootstraps=20),))

    return make
