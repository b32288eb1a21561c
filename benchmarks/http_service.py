"""What the service costs beyond decoding, preprocessing and embedding, and how it bears overload.

Run: ``python benchmarks/http_service.py [--seconds 20] [--requests 300] [--minutes 10]``

One service process with the bundled model over a vault of synthetic signers, asked from this
process on the same computer, in one run:

1. Throughput through ``verify`` at 32 clients, divided by what decoding, preprocessing and
   embedding reach in one process without HTTP and without a vault: the best of the service's own
   threads and shared forward passes, and of decoding threads that feed batches of eight, each with
   all of torch's threads and with half of them. All are measured in turns, and their medians are
   compared.
2. At one client, the latency beyond decoding, preprocessing and embedding, which each answer tells
   in ``Server-Timing``; and beside it what an empty answer takes (``/health/live``), one after the
   other and after pauses as long as these three: on a computer that is shared, much of what comes
   after a pause is waking up.
3. The same network called inside each request by a web app without a vault
   (``model_in_request.py``), at 32 clients and at one, for comparison.
4. Arrivals at 1.5 times the measured throughput for some minutes: no error but 503, memory, and
   whether every acknowledged decision is in the audit log exactly once.

Prints Markdown; ``--json FILE`` writes the figures, too.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import queue
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO

import numpy as np
import torch

from sigvault.bootstrap import create_vault, open_vault
from sigvault.domain.identifiers import EventNumber, SignerId
from sigvault.domain.image import InkImage
from sigvault.domain.population import Population
from sigvault.embedding.batching import BatchingEmbedder, EmbeddingWorker
from sigvault.embedding.card import bundled_model
from sigvault.embedding.torch_embedder import TorchEmbedder
from sigvault.services.acquisition import acquire
from sigvault.services.resources import recipe_of
from sigvault.synthesis import SynthesisSettings, write_dataset
from sigvault.vault import EnrollmentItem

CLIENTS = 32
REFERENCES = 5
CORES = os.cpu_count() or 1
TYPE = "application/json"


@dataclass(frozen=True)
class Overload:
    """What came of arrivals at more than the service can do.

    Attributes:
        rate: arrivals a second.
        seconds: for how long.
        statuses: answers by HTTP status, and failures by their names.
        acknowledged: decisions that were answered.
        resident_mib: memory of the service, the median in each tenth of the time.
        once_each: whether each of those decisions is in the audit log exactly once.
        audit_log_whole: whether the log is whole.
    """

    rate: float
    seconds: float
    statuses: dict[str, int]
    acknowledged: int
    resident_mib: list[int]
    once_each: bool = False
    audit_log_whole: bool = False


@dataclass
class Figures:
    """What was measured.

    Attributes:
        cores: of the computer.
        load: its load average when the run began.
        without_http: signatures a second by each way without HTTP, a list of the turns.
        with_http: verifications a second at 32 clients, a list of the turns.
        ratio: median of the latter by the best median of the former.
        looked: the share of verifications at one client that were looked at closer.
        beyond_p50_ms: of latency beyond the three stages at one client.
        beyond_p99_ms: the same.
        latency_p50_ms: of the whole at one client.
        empty_p50_ms: of an empty answer, one after the other.
        paused_p50_ms: the same after pauses as long as the three stages.
        beside: verifications a second of the app that calls the model inside each request, at 32
            clients, a list of the turns.
        beside_p50_ms: its whole latency at one client.
        overload: what came of arrivals at 1.5 times the throughput, if there were any.
    """

    cores: int = CORES
    load: float = 0.0
    without_http: dict[str, list[float]] = field(default_factory=dict)
    with_http: list[float] = field(default_factory=list)
    ratio: float = 0.0
    latency_p50_ms: float = 0.0
    looked: float = 0.0
    beyond_p50_ms: float = 0.0
    beyond_p99_ms: float = 0.0
    empty_p50_ms: float = 0.0
    paused_p50_ms: float = 0.0
    beside: list[float] = field(default_factory=list)
    beside_p50_ms: float = 0.0
    overload: Overload | None = None


def main() -> int:
    """Make the vault, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of each throughput turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--signers", type=int, default=8, help="synthetic ones, to ask for")
    parser.add_argument("--requests", type=int, default=300, help="at one client")
    parser.add_argument("--minutes", type=float, default=10.0, help="of overload; 0 for none")
    parser.add_argument("--threads", type=int, default=CORES, help="of torch, on both sides")
    parser.add_argument("--json", type=Path, help="write the figures there")
    chosen = parser.parse_args()
    figures = Figures(load=os.getloadavg()[0])
    os.environ["SIGVAULT_THREADS"] = str(chosen.threads)
    with tempfile.TemporaryDirectory() as folder:
        vault, claims = make_vault(Path(folder), chosen.signers)
        with running(serve(vault)) as service:
            bodies = [(signer, body_of(image)) for signer, image in claims]
            with running(call_inside(vault, chosen.threads)) as other:
                measure(figures, (service, other), bodies, [image for _, image in claims], chosen)
            rate = 1.5 * statistics.median(figures.with_http)
            seconds = 60 * chosen.minutes
            reached = overload(service, bodies, rate, seconds) if seconds > 0 else None
        if reached is not None:
            figures.overload = recorded(vault, *reached)
    sys.stdout.write(page(figures))
    if chosen.json:
        chosen.json.write_text(json.dumps(asdict(figures), indent=2) + "\n", "utf-8")
    return 0


def make_vault(folder: Path, count: int) -> tuple[Path, list[tuple[SignerId, bytes]]]:
    """A vault of synthetic signers, and other signatures of theirs as probes."""
    # Whose signatures differ as recorded ones do: those for demonstrations are so alike that every
    # other is looked at closer, as if it were a copy.
    chosen = SynthesisSettings(
        signers=count, genuine=REFERENCES + 4, forged=0, population=Population.VARIED
    )
    data = write_dataset(folder / "data", chosen)
    signers = [SignerId(path.name) for path in sorted((data.folder / "genuine").iterdir())]
    files = {one: sorted((data.folder / "genuine" / one).iterdir()) for one in signers}
    items = [
        EnrollmentItem(signer, path) for signer in signers for path in files[signer][:REFERENCES]
    ]
    with create_vault(folder / "vault") as vault:
        report = vault.enroll(items)
        if report.failed:
            raise SystemExit(f"{report.failed} references could not be enrolled")
    claims = [
        (signer, path.read_bytes()) for signer in signers for path in files[signer][REFERENCES:]
    ]
    return folder / "vault", claims


@dataclass
class Service:
    """A service process.

    Attributes:
        host: its address.
        port: its port.
        pid: its process.
    """

    host: str
    port: int
    pid: int

    def connect(self) -> http.client.HTTPConnection:
        """A connection that is kept."""
        return http.client.HTTPConnection(self.host, self.port, timeout=120)

    @property
    def resident(self) -> int:
        """Bytes of memory that it holds."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def serve(vault: Path) -> list[str]:
    """The command of the service."""
    command = [sys.executable, "-m", "sigvault", "--vault", str(vault), "serve", "--port", "0"]
    return [*command, "--per-minute", "100000000"]


def call_inside(vault: Path, threads: int) -> list[str]:
    """The command of the app that calls the model inside each request."""
    app = Path(__file__).with_name("model_in_request.py")
    return [sys.executable, str(app), str(vault), "0", str(threads)]


@contextmanager
def running(command: list[str]) -> Iterator[Service]:
    """A process that answers over HTTP, and tells its port."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL)  # noqa: S603
        try:
            yield Service("127.0.0.1", wait_until_ready(process, log), process.pid)
        finally:
            process.terminate()
            process.wait(120)


def wait_until_ready(process: subprocess.Popen[bytes], log: IO[str]) -> int:
    """The service's port, once it answers."""
    until = time.monotonic() + 300
    while time.monotonic() < until and process.poll() is None:
        log.seek(0)
        found = re.search(r"[Rr]unning on http://127\.0\.0\.1:(\d+)", log.read())
        if found:
            connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=120)
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == 200:
                return int(found[1])
        time.sleep(0.2)
    raise SystemExit("the service did not become ready")


def body_of(image: bytes) -> tuple[bytes, str]:
    """A probe as a form with a file, and its media type."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="p.png"\r\n\r\n'
    content = head.encode() + image + f"\r\n--{boundary}--\r\n".encode()
    return content, f"multipart/form-data; boundary={boundary}"


Bodies = list[tuple[SignerId, tuple[bytes, str]]]


def ask(
    connection: http.client.HTTPConnection, claim: tuple[SignerId, tuple[bytes, str]]
) -> tuple[int, bytes, str]:
    """Verify; the status, the answer and its timing."""
    signer, (content, media) = claim
    path = f"/v1/signers/{signer}/verify"
    connection.request("POST", path, content, {"Content-Type": media})
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.getheader("Server-Timing", "")


def measure(
    figures: Figures,
    services: tuple[Service, Service],
    bodies: Bodies,
    images: list[bytes],
    chosen: argparse.Namespace,
) -> None:
    """Throughput in turns, then latency; of the service, and of the app beside it."""
    service, other = services
    embedder = TorchEmbedder(bundled_model(), "auto", chosen.threads)
    embedder.embed([acquire(images[0], recipe_of(embedder)).prepared.ink])
    ways = {
        f"{name}, {threads} of torch's threads": (way, threads)
        for threads in sorted({chosen.threads, max(1, chosen.threads // 2)})
        for name, way in (("shared passes", shared_passes), ("batches of eight", in_batches))
    }
    for _ in range(chosen.turns):
        for name, (way, threads) in ways.items():
            torch.set_num_threads(threads)  # of this thread, and of those to come
            rate = way(embedder, images, chosen.seconds)
            figures.without_http.setdefault(name, []).append(rate)
        figures.with_http.append(through_http(service, bodies, chosen.seconds))
        figures.beside.append(through_http(other, bodies, chosen.seconds))
    best = max(statistics.median(rates) for rates in figures.without_http.values())
    figures.ratio = statistics.median(figures.with_http) / best
    latency(figures, service, bodies, chosen.requests)
    figures.beside_p50_ms = float(np.median(ask_in_turn(other, bodies, chosen.requests)[0]))


def spend(work: Callable[[int], object], clients: int, seconds: float) -> float:
    """How often a second some threads do something, after a fifth of the time to warm up."""
    counts, stop, counting = [0] * clients, threading.Event(), threading.Event()

    def go(client: int) -> None:
        for number in itertools.count(client):
            if stop.is_set():
                return
            work(number)
            counts[client] += counting.is_set()

    with ThreadPoolExecutor(clients) as pool:
        done = [pool.submit(go, client) for client in range(clients)]
        time.sleep(seconds / 5)
        began = time.perf_counter()
        counting.set()
        time.sleep(seconds)
        while not any(counts) and not any(one.done() for one in done):
            time.sleep(0.1)  # a rate of none could not be divided by
        counting.clear()
        spent = time.perf_counter() - began
        stop.set()
        for one in done:
            one.result()
    return sum(counts) / spent


def shared_passes(embedder: TorchEmbedder, images: list[bytes], seconds: float) -> float:
    """Signatures a second as the service does it: 32 threads, a decoder a core, one embedder."""
    worker = EmbeddingWorker()
    shared, recipe = BatchingEmbedder(embedder, worker), recipe_of(embedder)
    decoding = threading.BoundedSemaphore(CORES)

    def work(number: int) -> None:
        with decoding:
            ink = acquire(images[number % len(images)], recipe).prepared.ink
        shared.embed([ink])

    try:
        return spend(work, CLIENTS, seconds)
    finally:
        worker.close()


def in_batches(embedder: TorchEmbedder, images: list[bytes], seconds: float) -> float:
    """Signatures a second with a decoding thread a core and batches of eight."""
    recipe, count = recipe_of(embedder), 0
    inks: queue.Queue[InkImage] = queue.Queue(32)
    stop = threading.Event()

    def decode(place: int) -> None:
        for number in itertools.count(place):
            if stop.is_set():
                return
            inks.put(acquire(images[number % len(images)], recipe).prepared.ink)

    with ThreadPoolExecutor(CORES) as pool:
        for place in range(CORES):
            pool.submit(decode, place)
        began = time.perf_counter()
        while time.perf_counter() < began + seconds:
            embedder.embed([inks.get() for _ in range(8)])
            count += 8
        spent = time.perf_counter() - began
        stop.set()
        for _ in range(2 * CORES):  # let those go that wait for room
            if not inks.empty():
                inks.get()
    return count / spent


def through_http(service: Service, bodies: Bodies, seconds: float) -> float:
    """Verifications a second at 32 clients."""
    kept = threading.local()

    def work(number: int) -> None:
        if not hasattr(kept, "connection"):
            kept.connection = service.connect()
        status, answer, _ = ask(kept.connection, bodies[number % len(bodies)])
        if status != 200:
            raise SystemExit(f"{status}: {answer[:500]!r}")

    return spend(work, CLIENTS, seconds)


def latency(figures: Figures, service: Service, bodies: Bodies, requests: int) -> None:
    """At one client: the whole, and what lies beyond the three stages."""
    whole, timings = ask_in_turn(service, bodies, requests)
    stages = [dict(re.findall(r"(\w+);dur=([\d.]+)", timing)) for timing in timings]
    # A closer look at what may be a copy is embedding, too.
    parts = ("prepare", "embed", "look")
    three = [sum(float(each.get(part, 0.0)) for part in parts) for each in stages]
    figures.looked = float(np.mean(["look" in each for each in stages]))
    figures.latency_p50_ms = float(np.median(whole))
    beyond = np.subtract(whole, three)
    figures.beyond_p50_ms = float(np.median(beyond))
    figures.beyond_p99_ms = float(np.quantile(beyond, 0.99))
    figures.empty_p50_ms = empty_answers(service, requests, 0.0)
    figures.paused_p50_ms = empty_answers(service, requests, float(np.median(three)) / 1000)


def empty_answers(service: Service, requests: int, pause: float) -> float:
    """The median of milliseconds that an answer takes for which nothing is done."""
    connection, taken = service.connect(), []
    for _ in range(requests):
        time.sleep(pause)
        began = time.perf_counter()
        connection.request("GET", "/health/live")
        connection.getresponse().read()
        taken.append(1000 * (time.perf_counter() - began))
    return float(np.median(taken))


def ask_in_turn(service: Service, bodies: Bodies, requests: int) -> tuple[list[float], list[str]]:
    """One request after the other, ten to warm up: milliseconds, and what the answers tell."""
    connection = service.connect()
    whole, timings = [], []
    for number in range(requests + 10):
        began = time.perf_counter()
        status, answer, timing = ask(connection, bodies[number % len(bodies)])
        spent = 1000 * (time.perf_counter() - began)
        if status != 200:
            raise SystemExit(f"{status}: {answer[:500]!r}")
        if number >= 10:
            whole.append(spent)
            timings.append(timing)
    return whole, timings


def overload(
    service: Service, bodies: Bodies, rate: float, seconds: float
) -> tuple[Overload, list[EventNumber]]:
    """Arrivals at a rate, whatever has become of those before; with the acknowledged events."""
    statuses: Counter[str] = Counter()
    acknowledged: list[EventNumber] = []
    resident: list[int] = []
    kept = threading.local()

    def arrive(number: int) -> None:
        try:
            if not hasattr(kept, "connection"):
                kept.connection = service.connect()
            status, answer, _ = ask(kept.connection, bodies[number % len(bodies)])
        except (OSError, http.client.HTTPException) as error:
            statuses[type(error).__name__] += 1
            del kept.connection
            return
        statuses[str(status)] += 1
        if status == 200:
            acknowledged.append(json.loads(answer)["event"])

    began = time.perf_counter()
    with ThreadPoolExecutor(512) as pool:
        for number in itertools.count():
            due = began + number / rate
            if due > began + seconds:
                break
            time.sleep(max(0.0, due - time.perf_counter()))
            pool.submit(arrive, number)
            if number % max(1, int(rate)) == 0:
                resident.append(service.resident)
    tenths = np.array_split(np.array(resident) / 2**20, 10)
    memory = [round(float(np.median(part))) for part in tenths if len(part)]
    return Overload(rate, seconds, dict(statuses), len(acknowledged), memory), acknowledged


def recorded(vault: Path, found: Overload, acknowledged: list[EventNumber]) -> Overload:
    """Whether each acknowledged decision is in the audit log exactly once."""
    with open_vault(vault) as opened:
        log = Counter(one.number for one in opened.audit_log() if one.kind == "verified")
        whole = opened.audit_check().whole
    different = len(set(acknowledged)) == len(acknowledged)
    once_each = different and all(log[event] == 1 for event in acknowledged)
    return replace(found, once_each=once_each, audit_log_whole=whole)


def page(figures: Figures) -> str:
    """The figures as Markdown."""
    lines = [
        f"{figures.cores} cores, load average {figures.load:.1f} when the run began.",
        "",
        "| What | measured | bar |",
        "|---|---|---|",
    ]
    for name, rates in figures.without_http.items():
        lines.append(f"| without HTTP, {name}: signatures a second | {spread(rates)} | |")
    lines += [
        f"| verify at {CLIENTS} clients: a second | {spread(figures.with_http)} | |",
        f"| by the best of those above | {figures.ratio:.2f} | 0.90 |",
        f"| one client: whole latency, ms: p50 | {figures.latency_p50_ms:.1f} | |",
        f"| one client: of them looked at closer | {figures.looked:.0%} | |",
        f"| one client: beyond the three stages, ms: p50 | {figures.beyond_p50_ms:.1f} | 5 |",
        f"| one client: beyond the three stages, ms: p99 | {figures.beyond_p99_ms:.1f} | 20 |",
        f"| one client: an empty answer, ms: p50 | {figures.empty_p50_ms:.1f} | |",
        f"| the same after as long a pause, ms: p50 | {figures.paused_p50_ms:.1f} | |",
    ]
    other = statistics.median(figures.beside)
    times = statistics.median(figures.with_http) / other
    lines += [
        f"| the model called inside each request, {CLIENTS} clients: a second "
        f"| {spread(figures.beside)} | |",
        f"| verify by that | {times:.2f} | |",
        f"| the same, one client: whole latency, ms: p50 | {figures.beside_p50_ms:.1f} | |",
    ]
    over = figures.overload
    if over:
        memory = ", ".join(map(str, over.resident_mib))
        lines += [
            f"| overload: arrivals a second | {over.rate:.1f} for {over.seconds:.0f} s | |",
            f"| overload: answers by status | {over.statuses} | 200 and 503 |",
            f"| overload: resident MiB in each tenth of the time | {memory} | flat |",
            f"| overload: acknowledged, each once in the audit log | {over.acknowledged}, "
            f"{over.once_each} | True |",
            f"| overload: audit log whole | {over.audit_log_whole} | True |",
        ]
    return "\n".join(lines) + "\n"


def spread(rates: list[float]) -> str:
    """The median, and the least and the most."""
    return f"{statistics.median(rates):.1f} ({min(rates):.1f}–{max(rates):.1f})"


if __name__ == "__main__":
    sys.exit(main())
