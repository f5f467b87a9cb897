"""What runs send to W&B: the mode, the run, its metrics, its lineage, and sending what was kept offline."""
