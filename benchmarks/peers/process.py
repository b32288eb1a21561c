"""One store in a process of its own: filling it, or opening and measuring it.

Run by `beside_peers.py` as ``python -m peers.process PEER PHASE ...`` with the store's interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

from peers.adapter import EACH, Deciding, Peer, Recording, flush_file
from peers.catalogue import load_peer
from peers.material import Material, load_material, recall

MOST = {
    "identify 1": 200,
    "identify 1, index alone": 200,
    "identify 1, decided and recorded": 100,
    "identify 16": 40,
    "identify 16, index alone": 40,
    "identify 256": 8,
    "identify 256, index alone": 8,
    "verify": 300,
    "verify, recorded": 200,
    "enroll": 20,
    "erase": 15,
}
"""How often each is measured at most, in one process."""
TOO_LONG = 40.0
"""Seconds: a batch that would take longer, judging by a smaller one, is left out."""

Times = dict[str, list[float]]


def main() -> None:
    """Do one phase, and write what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("phase", choices=["fill", "serve", "stop"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--material", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--round", type=int, default=0)
    parser.add_argument("--spawned", type=float, default=0.0)
    chosen = parser.parse_args()
    peer = load_peer(chosen.peer)(chosen.folder)
    imported = time.monotonic() - chosen.spawned
    material = load_material(chosen.material)
    if chosen.phase == "stop":
        peer.stop_left_over()
        return
    if chosen.phase == "fill":
        result = fill(peer, material)
    else:
        result = serve(peer, material, chosen)
        result["cold_start"]["imported"] = imported
    chosen.out.write_text(json.dumps(result), encoding="utf-8")


def fill(peer: Peer, material: Material) -> dict[str, Any]:
    """Store all references, and build what searches need."""
    stored = timed(lambda: peer.create(material.vectors))
    built = timed(peer.build)
    versions = peer.versions()
    peer.close()
    size = sum(path.lstat().st_blocks for path in peer.folder.rglob("*")) * 512
    return {
        "stored": stored,
        "built": built,
        "disk": size,
        "facts": asdict(peer.facts) | {"versions": versions},
        "load": os.getloadavg()[0],
    }


def serve(peer: Peer, material: Material, chosen: argparse.Namespace) -> dict[str, Any]:
    """Open the store, answer, and measure."""
    opening = time.monotonic()
    peer.open()
    found = peer.search(material.probes[:1])
    answered = time.monotonic()
    cold = {
        "right": recall(found, material.truth[:1]),
        "answered": answered - chosen.spawned,
        "opened_and_answered": answered - opening,
        "settled": timed(peer.settle),
    }
    if peer.facts.exact and cold["right"] < 1:
        raise RuntimeError("the first answer is not the right one")
    measured = Measuring(peer, material, chosen.seconds, chosen.round)
    measured.identify()
    measured.verify()
    idle = memory(peer)
    measured.enroll()
    measured.erase()
    result = {
        "cold_start": cold,
        "times": measured.times,
        "recall": measured.recall,
        "left_out": measured.left_out,
        "not_found": measured.not_found,
        "memory": idle,
        "flush": flush(peer.folder),
        "load": os.getloadavg()[0],
    }
    peer.close()
    return result


class Measuring:
    """The workloads, in milliseconds."""

    def __init__(self, peer: Peer, material: Material, seconds: float, turn: int) -> None:
        """Measure each workload for so many seconds at most."""
        self.peer, self.material, self.seconds, self.turn = peer, material, seconds, turn
        self.times: Times = {}
        self.recall = float("nan")
        self.left_out: dict[str, str] = {}
        self.not_found = 0

    def identify(self) -> None:
        """Search for one probe, for 16 and for 256."""
        self._search("", self.peer.search)
        if isinstance(self.peer, Deciding):
            self._search(", index alone", self.peer.search_alone)
            decide = self.peer.identify_recorded
            probes = list(zip(self.material.probes, self.material.claimed, strict=True))
            for probe, claimed in self._timed("identify 1, decided and recorded", probes):
                if decide(probe) != claimed:
                    self.not_found += 1

    def _search(self, suffix: str, search: Callable[..., Any]) -> None:
        probes = self.material.probes
        before, size = 0.0, 1
        for batch in (1, 16, 256):
            name = f"identify {batch}{suffix}"
            if before / size * batch > TOO_LONG:
                self.left_out[name] = f"would take more than {TOO_LONG:.0f} s"
                continue
            parts = [probes[start : start + batch] for start in range(0, len(probes), batch)]
            search(parts[0])  # what is made at a first call is not a search's own time
            found = [search(part) for part in self._timed(name, parts * MOST[name])]
            before, size = median(self.times[name]) / 1e3, batch
            if not suffix:  # that of the largest batch counts
                answers = found[: len(parts)]
                truth = self.material.truth[: sum(map(len, answers))]
                self.recall = recall(chain.from_iterable(answers), truth)

    def verify(self) -> None:
        """Compare with the claimed signer's references."""
        pairs = list(zip(self.material.claimed.tolist(), self.material.probes, strict=True))
        for signer, probe in self._timed("verify", pairs * 2):
            scores = self.peer.verify(signer, probe)
            if len(scores) != EACH:
                raise RuntimeError(f"{len(scores)} references compared instead of {EACH}")
        if isinstance(self.peer, Recording):
            for signer, probe in self._timed("verify, recorded", pairs):
                self.peer.verify_recorded(signer, probe)

    def enroll(self) -> None:
        """Enroll one reference after the other, each durable before the next."""
        most = MOST["enroll"]
        first = self.turn * most
        numbers = range(
            len(self.material.vectors) + first, len(self.material.vectors) + first + most
        )
        adding, saving = [], []
        began = time.monotonic()
        for place, number in zip(range(first, first + most), numbers, strict=True):
            vector = self.material.extra[place]
            signer = int(self.material.receiving[place])
            adding.append(1e3 * timed(lambda: self.peer.add(number, signer, vector)))  # noqa: B023
            saving.append(1e3 * timed(self.peer.save))
            # Nothing is as near as the vector itself, under whatever new number.
            best = int(self.peer.search(vector[None])[0][0])
            self.not_found += best < len(self.material.vectors)
            if time.monotonic() - began > 2 * self.seconds and place - first >= 2:
                break
        self._note("enroll", adding, saving)

    def erase(self) -> None:
        """Erase signers, until no search finds them."""
        most = MOST["erase"]
        leaving = self.material.leaving[self.turn * most :][:most].tolist()
        removing, saving = [], []
        began = time.monotonic()
        for place, signer in enumerate(leaving):
            numbers = list(range(EACH * signer, EACH * signer + EACH))
            start = time.perf_counter()
            self.peer.erase(signer, numbers)
            ended = time.perf_counter()
            own = self.material.vectors[numbers[:1]]
            while set(numbers) & set(self.peer.search(own)[0].tolist()):
                ended = time.perf_counter()
            removing.append(1e3 * (ended - start))
            saving.append(1e3 * timed(self.peer.save))
            if time.monotonic() - began > 2 * self.seconds and place >= 2:
                break
        self._note("erase", removing, saving)

    def _note(self, name: str, done: list[float], saved: list[float]) -> None:
        self.times[f"{name}, in memory"] = done
        self.times[name] = [first + second for first, second in zip(done, saved, strict=True)]

    def _timed(self, name: str, items: Iterable[Any]) -> Iterable[Any]:
        """Hand out items, and note how long each was worked on."""
        taken = self.times.setdefault(name, [])
        began = time.monotonic()
        for item in items:
            start = time.perf_counter()
            yield item
            taken.append(1e3 * (time.perf_counter() - start))
            if len(taken) >= MOST[name] or time.monotonic() - began > self.seconds:
                return


def timed(call: Callable[[], object]) -> float:
    """Seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def flush(folder: Path) -> float:
    """Milliseconds that the disk takes to flush 4 KB, the median: to judge durable changes by."""
    taken = []
    path = folder / "flushed"
    for _ in range(21):
        path.write_bytes(os.urandom(4096))
        taken.append(1e3 * timed(lambda: flush_file(path)))
    path.unlink()
    return median(taken)


def memory(peer: Peer) -> dict[str, int]:
    """Bytes: the peak of this process, and what its server's processes hold now."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    held = 0
    for process in peer.server_processes():
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
        held += int(rollup.split("\nPss:")[1].split()[0]) * 1024
    return {"peak": peak, "server": held}


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # some stores' threads never end; all is closed and written
