"""What every script does around its work: errors that a user can mend become one clear message and exit code 2.

And what lies offline at the end is said once, with the command that sends it to W&B.
"""

import os
import sys
import traceback
from collections.abc import Callable

from safetensors import SafetensorError

from models.tracking.run import tell_how_to_send

INTERRUPTED = 130


def run_script(name: str, work: Callable[[], int]) -> int:
    """Call ``work`` and return the exit code: its own, 2 for what the user can mend, 130 after Ctrl-C.

    ``ONDO_DEBUG=1`` shows the traceback of the former too. Anything else is a fault of ours and raised as it is.
    """
    try:
        return work()
    except (ValueError, OSError, SafetensorError) as error:
        if os.environ.get("ONDO_DEBUG"):
            traceback.print_exc()
        print(f"{name}: {error}", file=sys.stderr)
        _print_notes(name, error)
        return 2
    except KeyboardInterrupt as error:
        print(f"{name}: interrupted", file=sys.stderr)
        _print_notes(name, error)
        return INTERRUPTED
    finally:
        tell_how_to_send()


def _print_notes(name: str, error: BaseException) -> None:
    for note in getattr(error, "__notes__", ()):
        print(f"{name}: {note}", file=sys.stderr)
