"""What every stage shares: loading, chat template, recipes, runs, tracking, packed forward pass, generation."""

import logging
import warnings

# Said at every start, of libraries and not of the user's work: a GPU kernel that is not installed, an option that TRL
# itself still sets by its old name, and a base model that is no folder and so has no config file beside its adapter.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message="`(is_)?gradient_checkpointing` is deprecated", category=FutureWarning)
warnings.filterwarnings("ignore", message="Could not find a config file in (ondo|embedded):", category=UserWarning)
