"""Put the repository root first on ``sys.path``; see ``launch/_root.py``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)
