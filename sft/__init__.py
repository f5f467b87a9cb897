"""Stage 1: supervised fine-tuning on the written examples."""
