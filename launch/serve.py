"""Serve notices over HTTP: the page at /, POST /generate/temperature, /health, /metrics, /docs.

    python launch/serve.py
    curl -X POST http://127.0.0.1:8000/generate/temperature -H "Content-Type: application/json" \\
         -d '{"yesterday_temp": 10, "today_temp": 20}'

Settings are environment variables, or the same keys in `.env`; `.env.example` shows each with its default. Without any
it serves the newest finished run in `runs/`, DPO before SFT, on 127.0.0.1:8000. How it works and what was measured:
docs/serving.md. Exit codes: 0 stopped (Ctrl-C or SIGTERM), 2 something to mend.
"""

import _root  # noqa: F401  (must stand first: it puts the repository root on sys.path)

import argparse
import ipaddress
import logging
import signal
import socket
import sys

import uvicorn

from models.script import run_script
from serve.app import create_app
from serve.engine import Engine
from serve.gate import timed_protocol
from serve.local import local_engine
from serve.remote import RemoteEngine
from serve.settings import Settings, read_settings

SHUTDOWN_S = 10
"""For requests under way when the service is told to stop."""


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = read_settings()
    listening = _listen(settings)
    with listening:
        app = create_app(settings, _engine(settings))
        config = uvicorn.Config(
            app,
            http=timed_protocol(settings.read_timeout_s),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
        host, port = listening.getsockname()[:2]
        for sign in (signal.SIGINT, signal.SIGTERM):
            # uvicorn puts its own handlers over these, and raises the signal once more when it has shut down
            signal.signal(sign, lambda *_: None)
        print(f"serving on http://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
        uvicorn.Server(config).run(sockets=[listening])
    return 0


def _listen(settings: Settings) -> socket.socket:
    """The port, taken before the model is loaded."""
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        raise OSError(f"ONDO_HOST={settings.host} ONDO_PORT={settings.port}: {error.strerror or error}") from error
    if not ipaddress.ip_address(address[0]).is_loopback and settings.api_key is None:
        print("ondo: listening beyond this machine without a key: set ONDO_API_KEY", file=sys.stderr)
    return listening


def _engine(settings: Settings) -> Engine:
    if settings.engine == "local":
        return local_engine(settings)
    key = None if settings.openai_api_key is None else settings.openai_api_key.get_secret_value()
    limits = settings.time_limit_s, settings.max_new_tokens
    return RemoteEngine(settings.openai_base_url, settings.openai_model or "", key, *limits)


if __name__ == "__main__":
    sys.exit(run_script("serve", main))
