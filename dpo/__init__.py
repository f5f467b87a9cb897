"""Stage 2: faults, verified pairs and direct preference optimisation."""
