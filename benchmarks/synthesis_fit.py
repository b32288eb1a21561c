"""How near synthetic signers come to real ones: movement, and what varies within a signer.

Run: ``python benchmarks/synthesis_fit.py DATA.npz... [--signers 60]``

Each DATA.npz is a set of recorded pen movements as ``sigvault.synthesis.trajectories`` reads them.
Both kinds are measured by the same code. The table has a row for each measure and a column for
real signers and for each synthetic population: the median over signers, and in brackets the 10th
and 90th percentile. Sets without times, or whose rate is unknown, are left out of the measures
that need seconds. Signature heights are the unit of length.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import least_squares
from scipy.signal import argrelextrema

from sigvault.synthesis import (
    Population,
    Writing,
    forger_level,
    generate_signer,
    write_forged,
    write_genuine,
)

Floats = npt.NDArray[np.float64]

SAMPLES = 8
"""Genuine signatures of each signer that are measured, at most."""

FORGED = 8
"""Skilled forgeries of each signer that are measured, at most."""

HERTZ = 100.0
"""Rate at which speeds are measured; every recording is brought to it."""

POINTS = 64
"""Points along the drawn path by which shapes are compared."""

RATES = {"sigwicomp2013_japanese": 200.0}
"""Points a second of sets that give the rate in their description and no times."""

ALIKE = 10
"""Pairs of a signer's genuine signatures that are compared, where there are five."""

BATCH = 1000
"""Pairs of shapes warped at once."""

FITTED = 6
"""Humps of the speed of each signer that a lognormal is fitted to, at most."""


@dataclass(frozen=True, eq=False)
class Sample:
    """One signature's movement.

    Attributes:
        points: float64 (T, 2), drawn points alone; x grows to the right, y upwards.
        stroke: int (T,): number of the pen-down stroke.
        times: float64 (T,), seconds; not a number where unknown.
        steps: duration in recorded points, drawn or not.
    """

    points: Floats
    stroke: npt.NDArray[np.int_]
    times: Floats
    steps: int


@dataclass(frozen=True)
class Signer:
    """What is measured of one signer: genuine samples, and forgeries by their level."""

    genuine: tuple[Sample, ...]
    forged: Mapping[str, tuple[Sample, ...]]


def main() -> int:
    """Measure real signers and both populations; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--signers", type=int, default=60, help="of each population and set")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    sets = [list(read_signers(path)) for path in chosen.data]
    real = [own for found in sets for own in found[:: -(-len(found) // chosen.signers)]]
    columns = {"real": measure(real)}
    for population in Population:
        numbers = range(1, chosen.signers + 1)
        made = [synthesise(chosen.seed, number, population) for number in numbers]
        columns[population.value] = measure(made)
    sys.stdout.write(f"{len(real)} real signers, {chosen.signers} of each population\n\n")
    sys.stdout.write("\n".join(table(columns)) + "\n")
    return 0


def read_signers(path: Path) -> Iterator[Signer]:
    """The signers of a set of recordings with two genuine signatures or more."""
    with np.load(path, allow_pickle=False) as found:
        columns = {name: found[name] for name in found.files}
    genuine: dict[str, list[Sample]] = defaultdict(list)
    forged: dict[str, list[Sample]] = defaultdict(list)
    for number, signer in enumerate(columns["signer"].tolist()):
        kind, most = (genuine, SAMPLES) if columns["genuine"][number] else (forged, FORGED)
        if len(kind[signer]) < most:
            sample = cut(columns, number, RATES.get(path.stem))
            if len(sample.points) > POINTS // 2 and np.ptp(sample.points, axis=0).min() > 0:
                kind[signer].append(sample)
    for signer, samples in genuine.items():
        if len(samples) > 1:
            yield Signer(tuple(samples), {"recorded": tuple(forged[signer])})


def cut(columns: Mapping[str, npt.NDArray[Any]], number: int, rate: float | None) -> Sample:
    """One recording."""
    part = slice(columns["start"][number], columns["start"][number + 1])
    stroke = columns["stroke"][part].astype(np.int_)
    times = columns["t_ms"][part].astype(np.float64) / 1000
    if rate is not None:
        times = np.arange(len(stroke)) / rate
    points = np.stack([columns["x"][part], -columns["y"][part].astype(np.float64)], axis=1)
    down = stroke >= 0
    steps = len(stroke) if np.isnan(times).any() else round((times[-1] - times[0]) * HERTZ)
    return Sample(points[down].astype(np.float64), stroke[down], times[down], steps)


def synthesise(seed: int, number: int, population: Population) -> Signer:
    """One synthetic signer, and the forgers of that signature."""
    signer = generate_signer(seed, number, population)
    genuine = tuple(take(write_genuine(signer, each)) for each in range(1, SAMPLES + 1))
    forged: dict[str, list[Sample]] = defaultdict(list)
    for each in range(1, FORGED + 1):
        forged[forger_level(signer, each).value].append(take(write_forged(signer, each)))
    return Signer(genuine, {level: tuple(samples) for level, samples in forged.items()})


def take(writing: Writing) -> Sample:
    """A synthetic movement as a recording."""
    down = writing.down
    stroke = np.cumsum(np.diff(down.astype(np.int_), prepend=0) > 0, dtype=np.int_)
    steps = round(writing.times[-1] * HERTZ)
    return Sample(writing.points[down], stroke[down], writing.times[down], steps)


def measure(signers: Sequence[Signer]) -> dict[str, list[float]]:
    """Every measure's value for each signer it can be taken of."""
    values: dict[str, list[float]] = defaultdict(list)
    for signer in signers:
        for name, value in movement(signer.genuine):
            values[name].append(value)
        for name, value in variation(signer.genuine):
            values[name].append(value)
    for name, value in shapes(signers):
        values[name].append(value)
    return values


def movement(samples: Sequence[Sample]) -> Iterator[tuple[str, float]]:
    """How a signer moves: medians over the signatures."""
    strokes = [len(np.unique(sample.stroke)) for sample in samples]
    yield "pen-down strokes", float(np.median(strokes))
    yield "path, heights", float(np.median([path_length(s) / height(s) for s in samples]))
    yield "width, heights", float(np.median([width(s) / height(s) for s in samples]))
    timed = [sample for sample in samples if np.isfinite(sample.times).all()]
    if not timed:
        return
    yield "duration, s", float(np.median([sample.steps / HERTZ for sample in timed]))
    yield "time with the pen down", float(np.median([drawn_share(s) for s in timed]))
    profiles = [[p for p in speeds(sample) if len(p) > 4] for sample in timed]
    flat = [np.concatenate(own) for own in profiles if own]
    if not flat:
        return
    yield "speed, heights/s", float(np.median([speed.mean() for speed in flat]))
    yield "speed, spread/mean", float(np.median([s.std() / s.mean() for s in flat]))
    peaks = [sum(len(extremes(p, np.greater)) for p in own) for own in profiles if own]
    lasting = [len(speed) / HERTZ for speed in flat]
    yield "speed peaks a second", float(np.median(np.divide(peaks, lasting)))
    dips = [depth for own in profiles for p in own for depth in depths(p)]
    if dips:
        yield "speed at minima/maxima", float(np.median(dips))
    yield from lognormals([p for own in profiles for p in own])


def variation(samples: Sequence[Sample]) -> Iterator[tuple[str, float]]:
    """What varies from one signature of a signer to the next: standard deviations."""
    sizes = np.log([np.sqrt(width(s) * height(s)) for s in samples])
    aspects = np.log([width(s) / height(s) for s in samples])
    yield "within: size, log", float(sizes.std(ddof=1))
    yield "within: width/height, log", float(aspects.std(ddof=1))
    yield "within: slant, degrees", float(np.std([slant(s) for s in samples], ddof=1))
    yield "within: duration, log", float(np.std(np.log([s.steps for s in samples]), ddof=1))
    strokes = np.array([len(np.unique(sample.stroke)) for sample in samples])
    unlike = [a != b for a, b in itertools.combinations(strokes, 2)]
    yield "within: pairs with other pen lifts", float(np.mean(unlike))


def shapes(signers: Sequence[Signer]) -> Iterator[tuple[str, float]]:
    """Distances of shapes: genuine to genuine, and forgeries to genuine, in heights."""
    own = [list(itertools.combinations(signer.genuine[:5], 2)) for signer in signers]
    for group in grouped(own, equal_size=False):
        yield "within: shape as written, heights", float(np.mean(group))
    alike = grouped(own, equal_size=True)
    for group in alike:
        yield "within: shape at equal size, heights", float(np.mean(group))
        if len(group) == ALIKE:
            yield f"within: most alike of {ALIKE} pairs, heights", float(np.min(group))
    for level in {level: None for signer in signers for level in signer.forged}:
        pairs = [
            [(a, b) for a in signer.genuine[:2] for b in signer.forged.get(level, ())[:3]]
            for signer in signers
        ]
        for usual, group in zip(alike, grouped(pairs, equal_size=True), strict=True):
            if len(group):
                yield f"forged/own shape distance, {level}", float(np.mean(group) / np.mean(usual))
        for signer in signers:
            if forged := signer.forged.get(level, ()):
                pace = np.median([s.steps for s in forged])
                ratio = pace / np.median([s.steps for s in signer.genuine])
                yield f"forged/own duration, {level}", float(ratio)


def grouped(groups: Sequence[Sequence[tuple[Sample, Sample]]], *, equal_size: bool) -> list[Floats]:
    """The distances of each group's pairs."""
    flat = [pair for group in groups for pair in group]
    if not flat:  # nobody was imitated
        return [np.empty(0) for _ in groups]
    batches = (flat[start : start + BATCH] for start in range(0, len(flat), BATCH))
    distances = np.concatenate([warped(batch, equal_size=equal_size) for batch in batches])
    return np.split(distances, np.cumsum([len(group) for group in groups])[:-1])


def warped(pairs: Sequence[tuple[Sample, Sample]], *, equal_size: bool) -> Floats:
    """Mean distance along the best warping of each pair's paths, in heights.

    Symmetric dynamic time warping (Sakoe and Chiba 1978, symmetric form, no window).
    """
    first = np.stack([outline(a) for a, _ in pairs])
    second = np.stack([outline(b) for _, b in pairs])
    if equal_size:
        extent = np.stack([np.ptp(first, axis=1), np.ptp(second, axis=1)])
        usual = np.exp(np.log(extent).mean(axis=0))
        first *= (usual / extent[0])[:, None, :]
        second *= (usual / extent[1])[:, None, :]
    tall = (np.ptp(first[..., 1], axis=1) + np.ptp(second[..., 1], axis=1)) / 2
    left, right = first.transpose(1, 2, 0), second.transpose(1, 2, 0)
    before = np.full((POINTS + 1, len(pairs)), np.inf)
    before[0] = 0.0
    for point in left:
        cost = np.hypot(right[:, 0] - point[0], right[:, 1] - point[1])
        row = np.full_like(before, np.inf)
        for column, here in enumerate(cost):
            straight = np.minimum(before[column + 1], row[column]) + here
            row[column + 1] = np.minimum(straight, before[column] + 2 * here)
        before = row
    distance: Floats = before[-1] / (2 * POINTS) / tall
    return distance


def outline(sample: Sample) -> Floats:
    """POINTS points evenly spaced along what was drawn, centred."""
    step = np.hypot(*np.diff(sample.points, axis=0).T) * (np.diff(sample.stroke) == 0)
    along = np.concatenate([[0.0], np.cumsum(step)])
    even = np.linspace(0, along[-1], POINTS)
    line = np.stack([np.interp(even, along, sample.points[:, axis]) for axis in (0, 1)], axis=1)
    centred: Floats = line - line.mean(axis=0)
    return centred


def width(sample: Sample) -> float:
    """In the recorder's units, as all lengths."""
    return float(np.ptp(sample.points[:, 0]))


def height(sample: Sample) -> float:
    """From the lowest drawn point to the highest."""
    return float(np.ptp(sample.points[:, 1]))


def path_length(sample: Sample) -> float:
    """Of all that was drawn."""
    return float(
        (np.hypot(*np.diff(sample.points, axis=0).T) * (np.diff(sample.stroke) == 0)).sum()
    )


def slant(sample: Sample) -> float:
    """Usual direction of the steep ways, in degrees to the right of the upright."""
    step = np.diff(outline(sample), axis=0)
    steep = step[np.abs(step[:, 1]) > np.abs(step[:, 0])]
    steep = steep * np.sign(steep[:, 1:])
    return float(np.degrees(np.arctan2(steep[:, 0].sum(), steep[:, 1].sum())))


def drawn_share(sample: Sample) -> float:
    """Share of the time that the pen spends on the paper."""
    drawn = np.diff(sample.times)[np.diff(sample.stroke) == 0].sum()
    return float(drawn / (sample.times[-1] - sample.times[0]))


def speeds(sample: Sample) -> Iterator[Floats]:
    """The smoothed speed of each pen-down stroke at HERTZ, in heights a second."""
    tall = height(sample)
    for number in np.unique(sample.stroke):
        part = sample.stroke == number
        times, points = sample.times[part], sample.points[part]
        if len(times) < 4 or times[-1] - times[0] < 5 / HERTZ:
            continue
        even = np.arange(times[0], times[-1], 1 / HERTZ)
        line = [np.interp(even, times, points[:, axis]) for axis in (0, 1)]
        moved = [gaussian_filter1d(np.gradient(along), 1.5, mode="nearest") for along in line]
        yield np.hypot(*moved) * HERTZ / tall


def extremes(speed: Floats, than: np.ufunc) -> npt.NDArray[np.intp]:
    """Where a profile has its maxima or minima."""
    return argrelextrema(speed, than)[0]


def depths(speed: Floats) -> Iterator[float]:
    """How far the speed falls between two maxima: 0 to a stop, 1 not at all."""
    peaks = extremes(speed, np.greater)
    for left, right in itertools.pairwise(peaks):
        yield float(speed[left:right].min() / min(speed[left], speed[right]))


def lognormals(profiles: Iterable[Floats]) -> Iterator[tuple[str, float]]:
    """Fit one lognormal to each hump between two deep minima: its sigma, spread and misfit."""
    fits = []
    for speed in profiles:
        bounds = extremes(speed, np.less)
        for left, right in itertools.pairwise(bounds):
            hump = speed[left : right + 1]
            if right - left >= 8 and max(hump[0], hump[-1]) < 0.35 * hump.max():
                fits.append(fit_lognormal(hump / hump.max()))
            if len(fits) >= FITTED:
                break
    if len(fits) >= 4:
        sigma, spread, misfit = np.median(fits, axis=0)
        yield "lognormal fit: sigma", float(sigma)
        yield "lognormal fit: sigma exp(mu), s", float(spread)
        yield "lognormal fit: signal/misfit, dB", float(misfit)


def fit_lognormal(hump: Floats) -> tuple[float, float, float]:
    """Least squares of Plamondon's lognormal: sigma, spread in seconds, 20 log10 signal/misfit."""
    times = np.arange(len(hump)) / HERTZ
    centre = times[int(hump.argmax())]

    def profile(parameters: Floats) -> Floats:
        log_area, start, mu, log_sigma = parameters
        elapsed = np.maximum(times - start, 1e-4)
        sigma = np.exp(log_sigma)
        exponent = -0.5 * ((np.log(elapsed) - mu) / sigma) ** 2
        speed: Floats = np.exp(log_area + exponent) / (sigma * elapsed)
        return speed

    def missed(parameters: Floats) -> Floats:
        return profile(parameters) - hump

    guess = np.array([np.log(0.05), centre - 0.15, np.log(0.15), np.log(0.25)])
    low, high = [-12, centre - 1.0, -4.0, np.log(0.05)], [3, centre, 0.5, np.log(1.2)]
    found = least_squares(missed, guess, bounds=(low, high), max_nfev=40)
    rest = float(np.sqrt(np.mean(found.fun**2))) + 1e-6
    signal = float(np.sqrt(np.mean(hump**2)))
    return (
        float(np.exp(found.x[3])),
        float(np.exp(found.x[2] + found.x[3])),
        20 * np.log10(signal / rest),
    )


def table(columns: Mapping[str, Mapping[str, Sequence[float]]]) -> Iterator[str]:
    """A Markdown table: median (10th to 90th percentile) over signers."""
    yield f"| Measure | {' | '.join(columns)} |"
    yield f"|---|{'---|' * len(columns)}"
    for measure_name in sorted(
        {name: None for values in columns.values() for name in values}, key=order
    ):
        cells = [cell(values.get(measure_name, ())) for values in columns.values()]
        yield f"| {measure_name} | {' | '.join(cells)} |"


def order(name: str) -> int:
    """Movement first, then what varies within a signer, then forgeries."""
    return ("within" in name) + 2 * name.startswith("forged")


def cell(values: Sequence[float]) -> str:
    """Median and percentiles of the finite values; a dash for none."""
    finite = np.array([value for value in values if np.isfinite(value)])
    if not len(finite):
        return "–"
    low, middle, high = np.percentile(finite, [10, 50, 90])
    return f"{middle:.3g} ({low:.2g}–{high:.2g})"


if __name__ == "__main__":
    sys.exit(main())
