"""The task: readings, prompts, buckets, splits, and the written examples with their source."""
