"""The judge: pure functions from (message, yesterday, today) to a verdict. Imports nothing of ours, and no torch."""
