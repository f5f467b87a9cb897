"""A real server process for the tests, and the judge's word on what it answers."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx

from rewards.judge import judge
from serve.settings import Settings, key_of

ROOT = Path(__file__).resolve().parents[2]
PATH = "/generate/temperature"
TINY = {"USE_FINETUNED": "false", "ONDO_BASE_MODEL": "tiny-random", "ONDO_MAX_NEW_TOKENS": "8"}


def environment(folder, **settings):
    """The environment without settings of ours but those given; runs and journal in ``folder``."""
    kept = {key: value for key, value in os.environ.items() if key not in {key_of(f) for f in Settings.model_fields}}
    return {**kept, "ONDO_RUNS": str(folder), "ONDO_PORT": "0", "OMP_NUM_THREADS": "1", **settings}


class Server:
    """``launch/serve.py`` in a process of its own; ``url`` once it listens, ready once it says so."""

    def __init__(self, folder, *, wait=True, **settings):
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "launch" / "serve.py")],
            env=environment(folder, **settings),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.url = self._until(lambda: re.search(r"serving on (http://\S+)", self.output))[1]
            if wait:
                self._until(self.ready)
        except BaseException:
            self.process.kill()
            raise

    @property
    def output(self):
        return "".join(self.lines)

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    def ready(self):
        try:
            return httpx.get(self.url + "/health", timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def post(self, body, **options):
        return httpx.post(self.url + PATH, json=body, timeout=60, **options)

    def stop(self, sign=signal.SIGTERM):
        """Send a signal; returns the exit code."""
        self.process.send_signal(sign)
        code = self.process.wait(60)
        self._reader.join(10)
        return code

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def _until(self, condition):
        for _ in range(1200):
            found = condition()
            if found:
                return found
            assert self.process.poll() is None, self.output
            time.sleep(0.1)
        raise AssertionError(self.output)


def check(response, yesterday, today):
    """The answer's body, after the judge has passed its message."""
    assert response.status_code == 200, response.text
    body = response.json()
    verdict = judge(body["message"], yesterday, today)
    assert verdict.passed, (body["message"], verdict.failed)
    assert body["verdict"]["passed"]
    assert body["delta"] == today - yesterday
    return body
