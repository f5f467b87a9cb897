"""Load on a running notice server: latency, throughput, wrong and lost answers, memory.

    python launch/serve.py                     # in another terminal
    python bench/serving.py [--clients 1,4,16,64] [--requests 200] [--soak 20000] [--json FILE]

Every number of clients sends ``--requests`` requests, each client one at a time, with random readings and sampling
temperatures; every answer is judged here. ``--soak`` then sends that many more from 16 clients and watches the server's
memory. The clients run on the server's machine and take their share of its cores. Only servers on loopback are
measured. A level ends after ``--time-limit`` seconds at the latest. Exit codes: 0, 1 when an answer was wrong or lost,
2 something to mend.
"""

if __name__ == "__main__":  # the tests import this file, with the path already set
    import _root  # noqa: F401  (must stand first: it puts the repository root on sys.path)

import argparse
import asyncio
import ipaddress
import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from bench.load import PATIENCE_S, Asked, draw, send_all, summarize
from data.files import write_atomic
from models.runs import hardware, package_versions
from models.script import run_script

SOAK_CLIENTS = 16
SOAK_PARTS = 20
"""Looks at the server's memory during a soak."""
MB = 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the server (default: %(default)s)")
    parser.add_argument("--clients", default="1,4,16,64", help="at once, comma-separated (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=200, help="for each number of clients (default: %(default)s)")
    parser.add_argument(
        "--readings", choices=("grid", "all"), default="grid", help="grid of the splits, or all of -60..60"
    )
    parser.add_argument("--temperatures", default="0,0.3,0.7,1", help="of the sampling (default: %(default)s)")
    parser.add_argument("--soak", type=int, default=0, help="requests of the memory watch (default: none)")
    parser.add_argument("--time-limit", type=float, default=240, help="seconds for a level (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the readings (default: %(default)s)")
    parser.add_argument("--api-key", help="the server's key")
    parser.add_argument("--json", type=Path, help="file to write the numbers to")
    return measure(parser.parse_args())


def measure(arguments: argparse.Namespace) -> int:
    """Send, judge, print; raises ValueError on bad arguments and OSError when there is no server."""
    clients = _numbers("--clients", arguments.clients, int, 1, 1024)
    temperatures = _numbers("--temperatures", arguments.temperatures, float, 0, 2)
    if not 1 <= arguments.requests <= 1_000_000 or not 0 <= arguments.soak <= 1_000_000:
        raise ValueError("--requests must be in 1..1000000 and --soak in 0..1000000")
    if arguments.json is not None and not arguments.json.absolute().parent.is_dir():
        raise ValueError(f"{arguments.json.absolute().parent}: no such folder")
    process = listening_process(_loopback(arguments.url))
    requests = draw(arguments.readings, temperatures, arguments.seed)
    found = asyncio.run(_all(arguments, clients, requests, process))
    print_tables(found)
    if arguments.json is not None:
        write_atomic(arguments.json, json.dumps(found, indent=2) + "\n")
    levels = [*found["levels"], *([found["soak"]] if found["soak"] else [])]
    return int(any(level["wrong"] or level["lost"] for level in levels))


async def _all(
    arguments: argparse.Namespace, clients: list[int], requests: Iterator[Asked], process: psutil.Process
) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {arguments.api_key}"} if arguments.api_key else {}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(
        base_url=arguments.url, headers=headers, timeout=PATIENCE_S, limits=limits, trust_env=False
    ) as client:
        health = (await client.get("/health")).json()
        if health.get("status") != "ready":
            raise ValueError(f"{arguments.url}: the server is not ready: {health}")
        levels = []
        for number in clients:
            before = process.memory_info().rss
            began = time.perf_counter()
            sent = await send_all(client, requests, arguments.requests, number, arguments.time_limit)
            seconds = time.perf_counter() - began
            memory = {"rss_before_mb": before / MB, "rss_after_mb": process.memory_info().rss / MB}
            levels.append({"clients": number, **summarize(sent, seconds), **memory})
            print(f"{number} clients: {levels[-1]['right']} of {len(sent)} right in {seconds:.0f} s", flush=True)
        soaked = await _soak(client, requests, arguments, process) if arguments.soak else None
    return {
        "machine": {**hardware(), "packages": package_versions(), "date": datetime.now(UTC).date().isoformat()},
        "model": health["model"],
        "run_id": health["run_id"],
        "readings": arguments.readings,
        "temperatures": arguments.temperatures,
        "levels": levels,
        "soak": soaked,
    }


async def _soak(
    client: httpx.AsyncClient, requests: Iterator[Asked], arguments: argparse.Namespace, process: psutil.Process
) -> dict[str, Any]:
    """The server's memory before and after each of some equal parts."""
    rss = [process.memory_info().rss / MB]
    parts: list[dict[str, Any]] = []
    ends = time.perf_counter() + arguments.time_limit
    for number in range(SOAK_PARTS):
        count = (number + 1) * arguments.soak // SOAK_PARTS - number * arguments.soak // SOAK_PARTS
        began = time.perf_counter()
        if not count or began >= ends:
            continue
        sent = await send_all(client, requests, count, SOAK_CLIENTS, ends - began)
        parts.append(summarize(sent, time.perf_counter() - began))
        rss.append(process.memory_info().rss / MB)
    total = {name: sum(part[name] for part in parts) for name in ("requests", "right", "wrong", "refused", "lost")}
    return {**total, "rss_mb": rss, "growth_mb_per_1000": growth(rss, total["requests"])}


def growth(rss_mb: list[float], requests: int) -> float | None:
    """Slope of the memory over the second half of the looks, MB in 1,000 requests; the first half may fill caches."""
    half = rss_mb[len(rss_mb) // 2 :]
    if len(half) < 3 or not requests:
        return None
    step = requests / (len(rss_mb) - 1) / 1000
    return float(np.polyfit(step * np.arange(len(half)), half, 1)[0])


def print_tables(found: dict[str, Any]) -> None:
    """One line a number of clients, and one for the soak."""
    from rich.console import Console
    from rich.table import Table

    machine = found["machine"]
    table = Table(
        title=f"{found['model']} {found['run_id'] or ''}: {machine['processor']}, {machine['cores']} cores, "
        f"readings of {found['readings']}, sampling at {found['temperatures']}",
        title_justify="left",
    )
    headings = (
        "clients requests answers/s p50_ms p95_ms p99_ms max_ms model retry template wrong lost refused memory_MB"
    )
    for heading in headings.split():
        table.add_column(heading.replace("_", " "), justify="right")
    for level in found["levels"]:
        times = [level[name] for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")]
        table.add_row(
            str(level["clients"]),
            str(level["requests"]),
            f"{level['answers_per_s']:.2f}",
            *("-" if value is None else f"{value:.0f}" for value in times),
            *(f"{share:.1%}" for share in level["sources"].values()),
            *(str(level[name]) for name in ("wrong", "lost", "refused")),
            f"{level['rss_before_mb']:.0f}, {level['rss_after_mb']:.0f}",
        )
    console = Console(width=150)
    console.print(table)
    for level in found["levels"]:
        for example in level["lost_examples"]:
            console.print(f"{level['clients']} clients lost one: {example}")
    if soak := found["soak"]:
        console.print(soak_line(soak))


def soak_line(soak: dict[str, Any]) -> str:
    """A soak in one sentence."""
    counts = ", ".join(f"{soak[name]} {name}" for name in ("right", "wrong", "lost", "refused"))
    rss, slope = soak["rss_mb"], soak["growth_mb_per_1000"]
    memory = f"memory {rss[0]:.0f} MB before, {rss[len(rss) // 2]:.0f} halfway, {rss[-1]:.0f} after"
    later = "" if slope is None else f"; second half {slope:+.2f} MB in 1,000 requests"
    return f"soak: {soak['requests']} requests from {SOAK_CLIENTS} clients: {counts}; {memory}{later}"


def listening_process(port: int) -> psutil.Process:
    """The process that listens at a port of this machine.

    Raises:
        OSError: none does, or it is another user's.
    """
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return psutil.Process(connection.pid)
    raise OSError(f"no process of this user listens at port {port}; start one: python launch/serve.py")


def _loopback(url: str) -> int:
    """The port of a server on this machine."""
    address = httpx.URL(url)
    port = address.port or 80
    try:
        resolved = socket.getaddrinfo(address.host, port, type=socket.SOCK_STREAM)[0][4][0]
    except OSError as error:
        raise ValueError(f"--url {url}: {error}") from error
    if address.scheme != "http" or not ipaddress.ip_address(resolved).is_loopback:
        raise ValueError(f"--url {url}: only http on this machine (127.0.0.1, ::1) is measured")
    return port


def _numbers(option: str, text: str, kind: Any, low: float, high: float) -> list[Any]:
    try:
        numbers = [kind(part) for part in text.split(",")]
    except ValueError as error:
        raise ValueError(f"{option} {text!r}: expected numbers separated by commas") from error
    if not all(low <= number <= high for number in numbers):
        raise ValueError(f"{option} {text!r}: each must be in {low}..{high}")
    return numbers


if __name__ == "__main__":
    raise SystemExit(run_script("serving", main))
