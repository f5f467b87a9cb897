"""What every stage shares about the language model: load, chat template, packed forward, generation, runs."""
