"""Measures: rule-wise rates, intervals, paired tests, plots, reports, tracking and comparison of runs."""
