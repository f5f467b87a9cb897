"""Put the repository root first on ``sys.path``; every script begins with ``import _root``.

Python puts a script's own folder first, so inside ``launch/sft.py`` the line ``import sft`` would find the script
itself instead of the package. Replacing that entry with the repository root mends it for every script at once.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import models  # noqa: E402,F401  (first of all imports: it quiets what libraries say when they are imported)
