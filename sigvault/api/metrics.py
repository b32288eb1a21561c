"""What the service tells Prometheus; no label ever names a signer or a key's owner."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sigvault.domain.comparison import Evidence, Threshold

_SCORES = tuple(round(-1.0 + 0.1 * step, 1) for step in range(21))
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LATEST = 1000
"""How many of the latest scores are compared with the calibration data."""

_FEWEST = 50
"""From how many scores on they are."""


class ServiceMetrics:
    """The service's own registry, so that several services can live in a process."""

    def __init__(self) -> None:
        """Start from nothing."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "sigvault_requests_total",
            "Requests, by route and status.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "sigvault_request_seconds",
            "From the request's head to the end of the answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.stages = Histogram(
            "sigvault_stage_seconds",
            "Stages of a decision: read, prepare, embed, compare, straighten, look (for copies), "
            "record; and waiting for a turn.",
            ["stage"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.batches = Histogram(
            "sigvault_embedding_batch_images",
            "Images of a forward pass.",
            buckets=(1, 2, 3, 4, 6, 8),
            registry=self.registry,
        )
        self.decisions = Counter(
            "sigvault_decisions_total",
            "Verifications by decision.",
            ["decision"],
            registry=self.registry,
        )
        self.scores = Histogram(
            "sigvault_scores", "Fused scores.", buckets=_SCORES, registry=self.registry
        )
        self.queue = Gauge(
            "sigvault_queue_requests",
            "Requests that wait for their turn, or are worked on, by lane.",
            ["lane", "state"],
            registry=self.registry,
        )
        self._thread = threading.local()
        self.drift = ScoreDrift()
        self.registry.register(self.drift)

    def observe_stage(self, stage: str, seconds: float) -> None:
        """How long a stage took."""
        self.stages.labels(stage).observe(seconds)
        collected: list[tuple[str, float]] | None = getattr(self._thread, "stages", None)
        if collected is not None:
            collected.append((stage, seconds))

    @contextmanager
    def collecting(self) -> Iterator[list[tuple[str, float]]]:
        """The stages that this thread goes through in the block, with their seconds."""
        stages: list[tuple[str, float]] = []
        self._thread.stages = stages
        try:
            yield stages
        finally:
            self._thread.stages = None

    def observe_wait(self, lane: str, seconds: float) -> None:
        """How long a request waited for its turn."""
        self.stages.labels(f"wait-{lane}").observe(seconds)

    def observe_decision(self, evidence: Evidence) -> None:
        """What was decided, and at which score."""
        self.decisions.labels(evidence.decision.value).inc()
        self.scores.observe(evidence.score.value)
        self.drift.observe(evidence)

    def watch(self, name: str, words: str, read: Callable[[], float]) -> None:
        """Show a value that is read when somebody asks."""
        Gauge(name, words, registry=self.registry).set_function(read)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)


class ScoreDrift(Collector):
    """How far the latest scores lie from the genuine signatures of the calibration data.

    The largest difference between the two cumulative distributions (Kolmogorov and Smirnov's
    statistic) at the operating points that the threshold holds. Forgeries move it as well as a
    change of scanner does, so watch how it changes rather than how large it is.
    """

    def __init__(self) -> None:
        """Start without scores."""
        self._lock = threading.Lock()
        self._scores: dict[tuple[int, int], deque[float]] = {}
        self.thresholds: Callable[[], tuple[int, Sequence[Threshold]]] = lambda: (0, ())

    def observe(self, evidence: Evidence) -> None:
        """Take a score."""
        key = (evidence.generation, evidence.threshold.references)
        with self._lock:
            self._scores.setdefault(key, deque(maxlen=_LATEST)).append(evidence.score.value)

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        family = GaugeMetricFamily(
            "sigvault_score_drift",
            "Largest difference between the distributions of the latest scores and of the "
            "calibration's genuine ones, by the threshold's number of references.",
            labels=["references"],
        )
        generation, thresholds = self.thresholds()
        with self._lock:
            seen = {key: list(scores) for key, scores in self._scores.items()}
        for threshold in thresholds:
            scores = seen.get((generation, threshold.references), [])
            if len(scores) >= _FEWEST and threshold.points:
                family.add_metric([str(threshold.references)], drift(scores, threshold))
        yield family

    def describe(self) -> Iterator[Metric]:
        """Nothing is read when it is registered."""
        return iter(())


def drift(scores: Sequence[float], threshold: Threshold) -> float:
    """The largest difference of the distributions at a threshold's points."""
    points = np.array([point.score for point in threshold.points])
    genuine = np.array([point.rates.fnmr.value for point in threshold.points])
    below = np.searchsorted(np.sort(np.asarray(scores)), points, side="left") / len(scores)
    return float(np.abs(below - genuine).max())
