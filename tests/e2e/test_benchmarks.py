"""The benchmarks in their smallest form: they work and print whole tables. Times are not judged."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from browser import find_chromium

from sigvault.domain.population import Population
from sigvault.synthesis import (
    SynthesisSettings,
    generate_signer,
    write_dataset,
    write_forged,
    write_genuine,
)

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(1800)]

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@dataclass(frozen=True)
class Table:
    """A Markdown table.

    Attributes:
        header: its first line.
        lines: the cells of the others.
    """

    header: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]

    @property
    def rows(self) -> dict[str, tuple[str, ...]]:
        """The other cells by the first of each line."""
        rows = {line[0]: line[1:] for line in self.lines}
        assert len(rows) == len(self.lines), "no two lines are of the same"
        return rows


def tables(page: str) -> list[Table]:
    """The tables of a page, each of which is whole and has figures that are numbers."""
    found = []
    for is_table, group in groupby(page.splitlines(), lambda line: line.startswith("|")):
        if is_table:
            lines = [tuple(cell.strip() for cell in line[1:-1].split("|")) for line in group]
            assert set(lines[1]) == {"---"}, lines[1]
            assert len({len(line) for line in lines}) == 1, page
            assert len(lines) > 2, page
            assert not re.search(r"\b(nan|inf|None)\b", str(lines)), page
            found.append(Table(lines[0], tuple(lines[2:])))
    return found


Run = Callable[..., str]


@pytest.fixture
def run(tmp_path) -> Run:
    """Run a benchmark as a person does, and say what it prints."""

    def run_benchmark(name: str, *arguments: object) -> str:
        environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        environment |= {
            "OMP_NUM_THREADS": "1",
            "TMPDIR": str(tmp_path),
            "XDG_DATA_HOME": str(tmp_path / "data-home"),
        }
        done = subprocess.run(
            [sys.executable, str(BENCHMARKS / f"{name}.py"), *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_benchmark


@pytest.fixture(scope="module")
def signatures(tmp_path_factory) -> Path:
    """Of so many signers that folds and a split leave enough on each side, a few each."""
    return draw(tmp_path_factory, signers=11, genuine=6)


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Path:
    """As few signers and signatures as a data set may have."""
    return draw(tmp_path_factory, signers=5, genuine=6)


@pytest.fixture(scope="module")
def galleries(tmp_path_factory) -> Path:
    """Ten references and a probe of each of a few signers."""
    return draw(tmp_path_factory, signers=5, genuine=12)


def draw(tmp_path_factory, **numbers: int) -> Path:
    """Synthetic signers whose signatures differ as recorded ones do."""
    folder = tmp_path_factory.mktemp("signatures") / "drawn"
    write_dataset(folder, SynthesisSettings(forged=1, population=Population.VARIED, **numbers))
    return folder


# --------------------------------------------------------------------------------------- stores


def test_beside_peers(run: Run, tmp_path):
    """With the two stores that this environment has; the others are another's."""
    figures, plots = tmp_path / "figures.json", tmp_path / "plots"

    page = run(
        "beside_peers",
        *("--peers", "sigvault", "faiss", "--references", 400, "--rounds", 1, "--seconds", 0.1),
        *("--json", figures, "--plots", plots),
    )

    document = json.loads(figures.read_text("utf-8"))
    assert [one["reason"] for one in document["results"]] == ["", ""]
    assert [one["left_out"] for each in document["results"] for one in each["rounds"]] == [{}, {}]
    assert "Not measured" not in page
    assert "did not bring up" not in page
    identify, changes, filling, facts = tables(page)
    own = ("sigvault", "sigvault, index alone", "sigvault, decided and recorded")
    assert list(identify.rows) == [*own, "faiss"]
    assert [identify.rows[name][0] for name in ("sigvault", "faiss")] == ["1.000", "1.000"]
    assert all(identify.rows[own[0]])
    assert all(identify.rows[own[1]][1:])
    assert identify.rows[own[2]][1]
    assert list(changes.rows) == list(filling.rows) == list(facts.rows) == ["sigvault", "faiss"]
    assert all(changes.rows["sigvault"][place] for place in (0, 1, 2, 4))
    assert all(all(cells) for cells in (*filling.rows.values(), *facts.rows.values()))
    names = {path.name for path in plots.iterdir() if path.stat().st_size > 1000}
    assert names == {"identify.png", "operations.png", "resources.png"}
    assert run("beside_peers", "--draw", figures) == page


@pytest.mark.parametrize("local", [(), ("--local",)], ids=["vectors", "local features"])
def test_vault_operations(run: Run, tmp_path, local):
    page = run("vault_operations", "--references", 400, "--out", tmp_path / "table.md", *local)

    (table,) = tables(page)
    assert (tmp_path / "table.md").read_text("utf-8") == page
    assert f"{'with' if local else 'without'} local features" in page
    counts = [sum(row.startswith(what) for row in table.rows) for what in ("verify", "erase")]
    assert counts == [3, 4]
    assert len(table.rows) == 14


def test_backups(run: Run):
    (table,) = tables(run("backups", "--references", 40, "--alone", 0.2))

    assert table.rows["references, images"] == ("40",)
    assert len(table.rows) == 7


# -------------------------------------------------------------------------------------- indexes


def test_index_search(run: Run, tmp_path):
    figures = tmp_path / "figures.json"

    page = run("index_search", "--vectors", 2000, "--brief", "--approximate", "--json", figures)

    (table,) = tables(page)
    assert set(table.rows) == {
        "FAISS IndexFlatIP as it comes",
        "sigvault codes",
        "sigvault exact (chosen)",
        "sigvault flat",
        "sigvault ivf",
        "sigvault torch",
    }
    exact = {name: row[0] for name, row in table.rows.items() if name != "sigvault ivf"}
    assert set(exact.values()) == {"1.000"}
    assert "Cold start to the first right answer" in page
    assert len(json.loads(figures.read_text("utf-8"))["timings"]) == 4 * len(table.rows)


def test_index_kernels(run: Run):
    kernels, opening = tables(run("index_kernels", "--vectors", 2000))

    assert {"reading float32 alone", "FAISS 8 bit, whole numbers", "torch int8 weights"} <= set(
        kernels.rows
    )
    assert len(kernels.rows) >= 11  # numba and SimSIMD may be there
    assert len(opening.rows) == 3


# ---------------------------------------------------------------- pictures, models, the service


def test_imaging(run: Run):
    (table,) = tables(run("imaging", "--turns", 1))

    assert len(table.rows) == 5
    assert all(all(cells) for cells in table.rows.values())


def test_model_cost(run: Run):
    (table,) = tables(run("model_cost", "--turns", 1))

    (row,) = table.rows.values()
    assert all(row)


def test_reindexing(run: Run, tmp_path):
    figures = tmp_path / "figures.json"

    page = run(
        *("reindexing", "--images", 5, "--rounds", 1, "--verifications", 2, "--json", figures)
    )

    speed, verifications = tables(page)
    assert [int(threads) for threads in speed.rows] == sorted({1, os.cpu_count() or 1})
    assert set(verifications.rows) == {"at rest", "beside a re-index", "ratio"}
    taken = json.loads(figures.read_text("utf-8"))["verify"]
    assert [len(times) for times in taken.values()] == [2, 2]


def test_http_service(run: Run, tmp_path):
    """With the app beside it, which is a benchmark's file of its own."""
    figures = tmp_path / "figures.json"

    page = run(
        *("http_service", "--seconds", 0.3, "--turns", 1, "--requests", 2, "--minutes", 0.05),
        *("--threads", 1, "--signers", 2, "--json", figures),
    )

    (table,) = tables(page)
    assert len(table.rows) == 18
    empty = [float(cells[0]) for row, cells in table.rows.items() if "empty answer" in row]
    assert len(empty) == 1
    assert 0 < empty[0] < 5000
    assert table.rows["overload: audit log whole"][0] == "True"
    overload = json.loads(figures.read_text("utf-8"))["overload"]
    assert set(overload["statuses"]) <= {"200", "503"}
    assert overload["once_each"]
    assert overload["acknowledged"] == overload["statuses"].get("200", 0)


def test_model_in_request_says_who_starts_it(run: Run):
    assert "http_service.py" in run("model_in_request", "--help")


@pytest.mark.skipif(find_chromium() is None, reason="no chromium: `apt-get install chromium`")
def test_page_times(run: Run):
    pages, interactions = tables(run("page_times", "--rounds", 1))

    assert {"queue", "case", "signer", "audit", "thresholds", "generations"} <= set(pages.rows)
    assert {"moving the accept point", "a verdict"} <= set(interactions.rows)


# ------------------------------------------------------------------ what is measured on data sets


@pytest.mark.parametrize(
    ("name", "options", "firsts"),
    [
        ("half_vectors", ("--draws", 1), ["32 bits", "16 bits"]),
        ("ruled_paper", ("--most", 2), ["drawn"]),
        ("faint_pen", ("--most", 2), ["drawn"]),
        ("printed_forms", ("--most", 2), ["drawn"]),
    ],
)
def test_on_a_data_set(run: Run, few, name, options, firsts):
    (table,) = tables(run(name, few, *options))

    assert list(table.rows) == firsts


def test_repeated_scans(run: Run, few):
    (table,) = tables(run("repeated_scans", few, "--signers", 1))

    assert {"1", "5", "10"} <= set(table.rows)


def test_attacks(run: Run, few):
    page = run("attacks", few, "--signers", 1, "--queries", 2)

    copies, noise, traced, changed = tables(page)
    assert "(no copy: the signer's other genuine signatures)" in copies.rows
    assert len(copies.rows) > 10
    assert len(noise.rows) == 4
    assert len([row for row in traced.rows if row.startswith("off by")]) == 8
    assert {"not off at all, another pen", "(not traced: the signer's skilled forgeries)"} < set(
        traced.rows
    )
    assert set(changed.rows) == {"refuse before", "review before"}


def test_turned_copies(run: Run, signatures):
    (table,) = tables(run("turned_copies", signatures))

    assert "turned by 1.5 degrees" in table.rows
    assert "other genuine signatures" in table.rows


def test_turned_probes(run: Run, tmp_path_factory):
    many = draw(tmp_path_factory, signers=30, genuine=6)  # of whom two are validation signers

    (table,) = tables(run("turned_probes", many, "--references", 3))

    assert len(table.lines) == 5 * 7
    assert [line[0] for line in table.lines if line[1] == "not straightened"] == [
        "nothing",
        *(f"{degrees} degrees" for degrees in (10, 15, 20, 25)),
    ]


def test_signer_thresholds(run: Run, signatures, tmp_path):
    arguments = ("signer_thresholds", signatures, "--cache", tmp_path / "kept", "--references", 3)

    page = run(*arguments)

    figures, verdict = tables(page)
    assert {line[0] for line in figures.lines} == {"3"}
    assert figures.lines[-1][1] == "*oracle: set on the test scores*"
    assert len(verdict.rows) == len(figures.lines) - 2  # no verdict on none and the oracle


def test_gallery_spread(run: Run, galleries, tmp_path):
    page = run("gallery_spread", galleries, "--cache", tmp_path / "kept", "--draws", 1)

    (table,) = tables(page)
    assert len(table.rows) == 7
    assert {"before", "no spread"} <= set(table.rows)


def test_gate_power(run: Run, galleries, tmp_path):
    page = run(
        *("gate_power", galleries, "--cache", tmp_path / "kept", "--draws", 1),
        *("--signers", 4, "--bootstraps", 5),
    )

    (table,) = tables(page)
    assert len(table.rows) == 6


def test_model_study(run: Run, tmp_path_factory, tmp_path):
    """One batch each; synthetic signers stand for recorded and for scanned ones."""
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for seed, name in enumerate(("trajectories", "varied-3")):
        (data / name).symlink_to(draw(tmp_path_factory, signers=16, genuine=6, seed=seed))
    for path in sorted(draw(tmp_path_factory, signers=5, genuine=6, seed=2).glob("*/*/*.png")):
        signer, kind = path.parent.name, path.parent.parent.name
        name = {"genuine": "original/original", "forged": "forged/forgeries"}[kind]
        link = data / f"cedar/{name}_{int(signer)}_{int(path.stem)}.png"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    for path in sorted(draw(tmp_path_factory, signers=5, genuine=6, seed=3).glob("*/*/*.png")):
        suffix = {"genuine": "", "forged": "_forg"}[path.parent.parent.name]
        link = data / f"sigcomp2011_dutch/{path.parent.name}{suffix}/{path.name}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    stages = ("conv1", "bn1", "layer1", "layer2", "layer3")
    stem = {
        name: value
        for name, value in torchvision.models.resnet18().state_dict().items()
        if name.startswith(stages)
    }
    torch.save(stem, data / "resnet18_imagenet_stem_to_layer3.pt")  # noqa: TID251 - a file as theirs

    run("model_study", data, out, "--batches", 1, "--variants", "and-synthetic,and-scans")

    page = (out / "table.md").read_text("utf-8")
    base, sources, cedar, dutch = tables(page)
    first = "multi-similarity, linear head on 2 x 3, ResNet-18"
    assert list(base.rows) == [first]
    assert list(sources.rows) == ["recorded and synthetic signers", "recorded and scanned signers"]
    assert list(cedar.rows) == list(dutch.rows) == [first, "recorded and synthetic signers"]
    assert "3 signers that none was trained on, 1 batches" in page
    variants = json.loads((out / "table.json").read_text("utf-8"))["variants"]
    assert variants["and-synthetic"]["against"] == "base"
    assert variants["and-scans"].keys() < variants["and-synthetic"].keys()


def test_beside_examiners(run: Run, tmp_path_factory, tmp_path):
    one, other = (draw(tmp_path_factory, signers=10, genuine=8, seed=seed) for seed in (6, 7))
    other = other.rename(other.with_name("other"))

    page = run("beside_examiners", one, other, "--cache", tmp_path / "cache")

    (table,) = tables(page)
    assert [line[:3] for line in table.lines] == [
        (name, "10", aim) for name in ("drawn", "other") for aim in ("0.49", "6.47")
    ]


def test_enrollment_gains(run: Run, tmp_path_factory):
    """Six of 120 synthetic signers watch the training; others are prototypes and strangers."""
    recorded = draw(tmp_path_factory, signers=120, genuine=4, seed=4)
    few = draw(tmp_path_factory, signers=6, genuine=4, seed=5)

    page = run(
        *("enrollment_gains", recorded, few, "--prototypes", few),
        *("--references", 1, 2, 9, "--draws", 2, "--duplicates", 2),
    )

    one, two = tables(page)
    assert one.header[0] == "R = 1"
    assert two.header[0] == "R = 2"
    first, *others = one.lines
    assert first[0] == "references as they are"
    assert len(others) == 8
    assert all("<br>" in cell for line in others for cell in line[2:])
    assert "R = 9: too few signatures" in page


def test_rendered_or_scanned(run: Run, few, tmp_path):
    """All sets hold the same synthetic signers, under the names of real sets."""
    for path in sorted((few / "genuine").glob("*/*.png")):
        signer, number = path.parent.name, path.stem
        targets = [f"{name}/genuine/{signer}/{number}" for name in ("cedar", "sigcomp2011_dutch")]
        targets += [f"trajectories/genuine/{name}-{signer}/{number}" for name in ("one", "other_a")]
        targets += [f"crossmedia_chinese/w{signer}_n{number}/{medium}_1" for medium in (1, 2, 3)]
        for target in targets:
            link = tmp_path / f"{target}.png"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)

    page = run(
        *("rendered_or_scanned", tmp_path, "--signers", 5, "--signatures", 2, "--patches", 3)
    )

    told, elsewhere, traits = tables(page)
    assert {
        *("scanned, rendered", "cedar, rendered", "paper, tablet", "*cedar, sigcomp2011_dutch*"),
        *("*other, other rendered*", "*halves of scanned*"),
    } <= set(told.rows)
    assert told.rows["scanned, rendered"][0] == "10"
    assert len(elsewhere.lines) == 5
    assert "all of them" in traits.rows


def test_synthesis_fit(run: Run, tmp_path):
    """The recorded signers are synthetic ones, too."""
    write_recordings(tmp_path / "set.npz")

    (table,) = tables(run("synthesis_fit", tmp_path / "set.npz", "--signers", 2))

    assert table.header[1:] == ("real", *Population)
    assert {"duration, s", "within: size, log"} <= set(table.rows)
    assert table.rows["forged/own shape distance, recorded"][0] != "–"


def write_recordings(path: Path) -> None:
    """A set as `sigvault.synthesis.trajectories` reads it: two signers, each imitated once."""
    signers = [generate_signer(1, number) for number in (1, 2)]
    made = [
        (str(place), genuine, write(signer, number))
        for place, signer in enumerate(signers)
        for genuine, write, number in (
            (True, write_genuine, 1),
            (True, write_genuine, 2),
            (False, write_forged, 1),
        )
    ]
    writings = [one for _, _, one in made]
    strokes = [
        np.where(one.down, np.cumsum(np.diff(one.down.astype(int), prepend=0) > 0) - 1, -1)
        for one in writings
    ]
    points = np.concatenate([one.points for one in writings])
    np.savez(
        path,
        signer=np.array([signer for signer, _, _ in made]),
        genuine=np.array([genuine for _, genuine, _ in made]),
        sample=np.array([str(number) for number in range(len(made))]),
        start=np.cumsum([0, *(len(one.points) for one in writings)]),
        x=points[:, 0],
        y=-points[:, 1],
        t_ms=np.concatenate([1000 * one.times for one in writings]),
        pressure=np.concatenate([one.pressure for one in writings]),
        stroke=np.concatenate(strokes).astype(np.int16),
    )


# ------------------------------------------------------------------------------------- training


def test_notebook_recipe_of_the_bundled_model(run: Run, signatures, tmp_path):
    """The one variant that trains nothing and needs no weights of ImageNet's."""
    for kind, folder, name in (
        ("genuine", "original", "original"),
        ("forged", "forged", "forgeries"),
    ):
        target = tmp_path / "cedar" / folder
        target.mkdir(parents=True)
        for path in sorted((signatures / kind).glob("*/*.png")):
            number = len(list(target.glob(f"{name}_{int(path.parent.name)}_*"))) + 1
            (target / f"{name}_{int(path.parent.name)}_{number}.png").symlink_to(path)

    run("notebook_recipe", tmp_path, tmp_path / "out", "--variants", "bundled")

    (table,) = tables((tmp_path / "out" / "table.md").read_text("utf-8"))
    assert list(table.rows) == ["the bundled model, which never saw CEDAR"]
