"""Whether W&B is online, offline or off, and why; found without asking and without waiting for a network.

A mode comes from the recipe, else from ``WANDB_MODE``, else from what is found: a key (environment, W&B's own login,
netrc) and a host that answers mean online, anything else offline. Left to itself W&B raises without a key, asks at a
terminal, and waits without bound for a network; see https://docs.wandb.ai on ``WANDB_MODE``.
"""

import socket
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from models.arguments import TrackingMode

CONNECT_TIMEOUT = 4.0
"""Seconds to wait for the first answer of W&B's host."""

_MODES = ("online", "offline", "disabled")


def resolve_mode(wanted: TrackingMode, environment: Mapping[str, str]) -> tuple[str, str]:
    """The mode and the reason for it.

    Raises:
        ValueError: ``WANDB_MODE`` is no mode.
    """
    if wanted != "auto":
        return wanted, "as the recipe says"
    said = check_mode(environment)
    if said:
        return said, "as WANDB_MODE says"
    missing = why_not_online(environment)
    return ("offline", missing) if missing else ("online", "a W&B key was found")


def why_not_online(environment: Mapping[str, str]) -> str | None:
    """What is missing to send anything, in a few words; None when a key is there and the host answers."""
    host = environment.get("WANDB_BASE_URL") or _default_host()
    if not _has_key(host, environment):
        return "no W&B key was found"
    return None if _answers(host) else f"{host} does not answer"


def check_mode(environment: Mapping[str, str]) -> str | None:
    """What ``WANDB_MODE`` says, if anything.

    Raises:
        ValueError: it is no mode.
    """
    said = environment.get("WANDB_MODE", "").strip().lower()
    said = {"run": "online", "dryrun": "offline"}.get(said, said)
    if said and said not in _MODES:
        raise ValueError(f"WANDB_MODE is {said!r}: expected one of {', '.join(_MODES)}")
    return said or None


def _default_host() -> str:
    import wandb

    return str(wandb.setup().settings.base_url)


def _has_key(host: str, environment: Mapping[str, str]) -> bool:
    if environment.get("WANDB_API_KEY"):
        return True
    from wandb.errors import AuthenticationError
    from wandb.sdk.lib import wbauth

    try:
        return wbauth.authenticate_session(host=host, source="ondo", prompt=False, update_session=False) is not None
    except AuthenticationError as error:
        print(f"ondo: the W&B key that was found is not usable: {error}", file=sys.stderr)
        return False


def _answers(host: str) -> bool:
    parts = urlsplit(host if "//" in host else f"https://{host}")
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=CONNECT_TIMEOUT):
            return True
    except OSError:
        return False
