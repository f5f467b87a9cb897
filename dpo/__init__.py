"""Stage 2: faults, verified pairs and direct preference optimisation."""

import models  # noqa: F401  (first: it quiets what libraries say at every import)
