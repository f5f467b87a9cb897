"""Stage 1: supervised fine-tuning on the written examples."""

import models  # noqa: F401  (first: it quiets what libraries say at every import)
