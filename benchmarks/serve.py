"""The HTTP API under load and under bad treatment, on loopback, beside the bare model in the same run.

Load: embed requests of one prompt each, by 1, 8 and 32 clients with connections of their own, against a real
`unprompt serve`. A server that answers one request after the other cannot be faster than the bare model with
one prompt a call; targets: 0.7 of that with one client, 1.2 times that with 32, since those who wait together
are answered together.

Faults: malformed requests in a row, clients that hang up in the middle of a txt2img, and SIGTERM in the
middle of another. Clients and server share the machine's cores.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import io
import json
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from PIL import Image

from timing import median_seconds, record
from unprompt.networks.devices import choose_device
from unprompt.networks.minilm import PromptEncoder
from unprompt.pocket.samples import sample_scenes

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for the requests that the tests send too
from tests.api_malformed import JSON
from tests.api_malformed import requests as malformed_requests

CLIENTS = (1, 8, 32)
TURNS = 3  # of the bare model and the clients
TARGETS = {1: 0.7, 32: 1.2}
PATIENCE = 120.0  # seconds for any one answer


@dataclass(frozen=True)
class Load:
    """What clients saw: requests a second of all together, and seconds until an answer."""

    clients: int
    rate: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Server:
    """A running `unprompt serve`."""

    process: subprocess.Popen[str]
    host: str
    port: int

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = JSON
    ) -> Any:
        """One request on a connection of its own: status and JSON."""
        line = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        try:
            line.request(method, path, body, headers)
            answer = line.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            line.close()

    def taken(self) -> int:
        """Requests that wait or are at work."""
        return int(self.ask("GET", "/healthz")[1]["requests"])


@contextmanager
def served(bundle: str, *options: str) -> Iterator[Server]:
    """A server on a free port, killed at the end if it is still there."""
    command = [sys.executable, "-m", "unprompt", "serve", "--port", "0", "--bundle", bundle, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told = process.stdout.readline()
        if not told.startswith("serving"):
            raise SystemExit("the server did not start; see above")
        host, port = told.split()[1].removeprefix("http://").split(":")
        yield Server(process, host, int(port))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


# --- load


def prompts(count: int) -> list[str]:
    """Prompts of ordinary length, none the same as its neighbour."""
    return [scene.prompt for scene in sample_scenes(count)]


class Client:
    """One that asks for embeddings over a connection of its own.

    Bytes are put together and taken apart here, since Python's own client takes as long as the server does,
    on the same cores.
    """

    def __init__(self, server: Server, texts: Iterator[str]) -> None:
        self._head = f"POST /v1/embed HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n"
        self._texts = texts
        self._answer = b""
        self.asked = 0.0
        self.line = socket.create_connection((server.host, server.port), PATIENCE)
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> None:
        """Send the next request."""
        body = json.dumps({"texts": [next(self._texts)]}).encode()
        head = f"{self._head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._answer = b""
        self.asked = time.perf_counter()
        self.line.sendall(head.encode() + body)

    def is_answered(self) -> bool:
        """Read what has come, and whether that is all."""
        self._answer += self.line.recv(1 << 18)
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if end and not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"not answered: {self._answer[:400]!r}")
        lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        return bool(end) and len(body) == int(lengths[0])


def load(server: Server, clients: int, seconds: float, texts: Sequence[str]) -> list[float]:
    """Have clients ask for one embedding after the other for some seconds, after a second to warm up.

    Gives the seconds that each answer took.
    """
    waits = []
    begin = time.perf_counter() + 1
    end = begin + seconds
    with selectors.DefaultSelector() as ready:
        for number in range(clients):
            client = Client(server, islice(cycle(texts), number, None))
            ready.register(client.line, selectors.EVENT_READ, client)
            client.ask()
        while time.perf_counter() < end:
            for key, _ in ready.select(PATIENCE):
                client = key.data
                if client.is_answered():
                    if client.asked >= begin:
                        waits.append(time.perf_counter() - client.asked)
                    client.ask()
        for key in [*ready.get_map().values()]:
            key.data.line.close()
    return waits


def summary(waits: Sequence[float], clients: int, seconds: float) -> Load:
    """Rate, median and 99th percentile of what all clients waited."""
    cuts = statistics.quantiles(waits, n=100, method="inclusive")
    return Load(clients, len(waits) / seconds, cuts[49], cuts[98])


def bare_rates(encoder: PromptEncoder, texts: Sequence[str]) -> tuple[float, float]:
    """Prompts a second of the model alone, by one and by 32 prompts a call."""

    def one_by_one() -> None:
        for text in texts:
            encoder.encode([text])

    def together() -> None:
        for start in range(0, len(texts), 32):
            encoder.encode(texts[start : start + 32])

    return len(texts) / median_seconds(one_by_one), len(texts) / median_seconds(together)


# --- a flood


@dataclass(frozen=True)
class Flood:
    """What clients that all send pictures saw, and what it did to the server's memory, in MB."""

    statuses: Counter[int]
    answered: Load
    seconds_to_refuse: float
    memory_before: float
    memory_peak: float
    memory_after: float


def memory_of(server: Server, name: str) -> float:
    """A line of the server process's status, such as VmRSS, in MB; Linux only."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(name))) / 1024


def flood(server: Server, clients: int, seconds: float, side: int) -> Flood:
    """Have clients send one picture after the other, each on connections of its own; who is refused comes
    again after a second."""
    stream = io.BytesIO()
    Image.effect_noise((side, side), 90).convert("RGB").save(stream, "JPEG")
    body = json.dumps({"images": [base64.b64encode(stream.getvalue()).decode()]}).encode()
    for _ in range(3):
        server.ask("POST", "/v1/predict", body)
    before = memory_of(server, "VmRSS")
    seen: list[list[tuple[int, float]]] = [[] for _ in range(clients)]
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        while time.perf_counter() < end:
            start = time.perf_counter()
            try:
                status = server.ask("POST", "/v1/predict", body)[0]
            except TimeoutError:  # on a machine that has no time for the server
                status = 0
            seen[number].append((status, time.perf_counter() - start))
            if status != 200:
                time.sleep(1)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    peak = memory_of(server, "VmHWM")
    wait_until(lambda: server.taken() == 0, "all is answered")
    time.sleep(1)
    every = [one for own in seen for one in own]
    waits = [wait for status, wait in every if status == 200]
    refused = [wait for status, wait in every if status != 200]
    return Flood(
        Counter(status for status, _ in every),
        summary(waits, clients, seconds),
        max(refused, default=0.0),
        before,
        peak,
        memory_of(server, "VmRSS"),
    )


def show_flood(server: Server, clients: int, seconds: float, side: int) -> None:
    """A line of what a flood did."""
    found = flood(server, clients, seconds, side)
    statuses = ", ".join(
        f"{count} x {status or 'no answer'}" for status, count in sorted(found.statuses.items())
    )
    print(
        f"{clients} clients with pictures of {side} x {side} for {seconds:g} s: {statuses}; p50 "
        f"{found.answered.p50:.2f} s, p99 {found.answered.p99:.2f} s, a refusal at most "
        f"{found.seconds_to_refuse:.2f} s; memory {found.memory_before:.0f} MB before, "
        f"{found.memory_peak:.0f} at most, {found.memory_after:.0f} after"
    )


# --- faults


def wait_until(condition: Any, what: str) -> float:
    """Seconds until a condition holds."""
    start = time.perf_counter()
    while not condition():
        if time.perf_counter() - start > PATIENCE:
            raise SystemExit(f"waited in vain until {what}")
        time.sleep(0.005)
    return time.perf_counter() - start


def malformed(server: Server, count: int) -> Counter[int]:
    """Statuses of malformed requests in a row."""
    return Counter(
        server.ask("POST", one.path, one.body, one.headers)[0] for one in malformed_requests(count)
    )


def paint_request(side: int) -> bytes:
    """16 pictures, which take some seconds."""
    body = {"prompt": prompts(1)[0], "width": side, "height": side, "batch_size": 16}
    return json.dumps(body).encode()


def hang_up(server: Server) -> float:
    """Seconds from a client's hanging up, in the middle of its pictures, until the model's thread is free."""
    body = paint_request(2048)
    with socket.create_connection((server.host, server.port)) as line:
        head = "POST /sdapi/v1/txt2img HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_until(lambda: running(server) == "txt2img", "it paints")
    return wait_until(lambda: server.taken() == 0 and running(server) == "", "the slot is free")


def running(server: Server) -> str:
    """What the model works on."""
    return str(server.ask("GET", "/sdapi/v1/progress")[1]["state"]["job"])


def terminate(server: Server) -> tuple[int, int, float]:
    """SIGTERM in the middle of 16 pictures: how many came, the exit code, and seconds to the end."""
    answers: list[Any] = []
    body = paint_request(512)
    asking = threading.Thread(target=lambda: answers.append(server.ask("POST", "/sdapi/v1/txt2img", body)[1]))
    asking.start()
    wait_until(lambda: running(server) == "txt2img", "it paints")
    start = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    asking.join()
    code = server.process.wait(PATIENCE)
    whole = sum(base64.b64decode(image).endswith(b"IEND\xaeB`\x82") for image in answers[0]["images"])
    return whole, code, time.perf_counter() - start


# --- the table


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--bundle", default="lite", help="(%(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="for each number of clients (%(default)s)"
    )
    parser.add_argument("--prompts", type=int, default=256, metavar="N", help="different ones (%(default)s)")
    parser.add_argument(
        "--flood", type=int, metavar="N", help="only this: N clients that send pictures, for --seconds"
    )
    parser.add_argument(
        "--longest-wait", default="0", metavar="S", help="as serve takes it, of a flood (%(default)s)"
    )
    parser.add_argument("--side", type=int, default=512, metavar="N", help="of their pictures (%(default)s)")
    parser.add_argument("--malformed", type=int, default=500, metavar="N", help="(%(default)s)")
    options = parser.parse_args()
    if options.flood:
        with served(options.bundle, "--longest-wait", options.longest_wait) as server:
            show_flood(server, options.flood, options.seconds, options.side)
        return
    texts = prompts(options.prompts)
    encoder = PromptEncoder.load(choose_device("auto"))
    encoder.encode(texts)
    with served(options.bundle) as server:
        bare: list[tuple[float, float]] = []
        waits: dict[int, list[list[float]]] = {clients: [] for clients in CLIENTS}
        seconds = options.seconds / TURNS
        for _ in range(TURNS):
            bare.append(bare_rates(encoder, texts))
            for clients, seen in waits.items():
                seen.append(load(server, clients, seconds, texts))
        ones, manies = zip(*bare, strict=True)
        one, many = statistics.median(ones), statistics.median(manies)
        print(f"bare model: {one:.0f} prompts/s one by one, {many:.0f} by 32")
        print(f"{'clients':>7} {'requests/s':>11} {'p50, ms':>9} {'p99, ms':>9} {'/ one':>13} {'/ by 32':>8}")
        for clients, turns in waits.items():
            met = summary([wait for turn in turns for wait in turn], clients, options.seconds)
            target = f"   target: >= {TARGETS[clients]}" if clients in TARGETS else ""
            print(
                f"{clients:7} {met.rate:11.0f} {1e3 * met.p50:9.1f} {1e3 * met.p99:9.1f} "
                f"{met.rate / one:13.2f} {met.rate / many:8.2f}{target}"
            )
        for clients, turns in waits.items():
            each = [seconds / len(turn) for turn in turns]  # seconds for an answer
            record(f"serve, {clients} clients / bare model one by one", each, [1 / rate for rate in ones])
        statuses = malformed(server, options.malformed)
        told = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
        after = server.ask("GET", "/healthz")[0]
        print(f"{options.malformed} malformed requests: {told}; then /healthz: {after}")
        freed = [hang_up(server) for _ in range(3)]
        free = 1e3 * statistics.median(freed)
        print(f"hung up in the middle of a txt2img: free after {free:.0f} ms (median of 3)")
        whole, code, seconds = terminate(server)
        print(f"SIGTERM in the middle of 16 pictures: {whole} came whole, exit code {code}, {seconds:.1f} s")


if __name__ == "__main__":
    main()
