"""sigvault beside other vector stores: the same vectors, one run.

Run: ``python benchmarks/beside_peers.py --python PEERS/bin/python [--references 100000 ...]
[--peers sigvault faiss ...] [--json FILE] [--plots FOLDER]``

``benchmarks/peers/requirements.txt`` says what the peers' environment holds; sigvault and plain
FAISS run with this interpreter, on the same build of FAISS. Each store is filled in a process of
its own. Then they take turns in rounds, in each of which every store is opened by a new process,
has to answer rightly, and is measured, so that what else the machine does falls on all alike.

Vectors are drawn like signers: ten references around each signer's own direction. Recall is
counted against NumPy. What a store does that others don't, such as flushing to the disk or
recording a decision, is said beside the figures: a smaller figure may be a smaller promise.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from peers.adapter import DIMENSION, EACH, K
from peers.catalogue import PEERS
from peers.plots import draw_all
from peers.report import as_markdown
from peers.running import Plan, measure_size


def main() -> None:
    """Measure, print, and write what was asked for."""
    chosen = _arguments()
    if chosen.draw:
        document = json.loads(chosen.draw.read_text(encoding="utf-8"))
    else:
        document = measure(chosen)
    page = as_markdown(document)
    sys.stdout.write(page)
    if chosen.json:
        chosen.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if chosen.out:
        chosen.out.write_text(page, encoding="utf-8")
    if chosen.plots:
        draw_all(document, chosen.plots)


def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    """The figures of all sizes, as one document."""
    plan = Plan(
        names=chosen.peers,
        rounds=chosen.rounds,
        seconds=chosen.seconds,
        fill_limit=chosen.fill_limit,
        serve_limit=chosen.serve_limit,
        python=chosen.python,
    )
    results: list[dict[str, Any]] = []
    for count in chosen.references:
        results += measure_size(plan, count, chosen.scratch, _say)
    return {
        "dimension": DIMENSION,
        "each": EACH,
        "k": K,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "rounds": chosen.rounds,
        "fill_limit": chosen.fill_limit,
        "facts": {
            result["peer"]: result["fill"]["facts"] for result in results if result["rounds"]
        },
        "results": results,
    }


def _processor() -> str:
    """The processor's name, where Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return names[0] if names else "an unknown processor"


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--references", type=int, nargs="+", default=[100_000])
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument(
        "--python", type=Path, default=Path(sys.executable), help="with the peers' packages"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each workload and round")
    parser.add_argument("--fill-limit", type=float, default=300.0, help="seconds to fill a store")
    parser.add_argument("--serve-limit", type=float, default=300.0, help="seconds for a round")
    parser.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--out", type=Path, help="write the tables there, too")
    parser.add_argument("--plots", type=Path, help="write pictures into this folder")
    parser.add_argument("--draw", type=Path, help="measure nothing, and show such a JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
