"""Evaluations: golden sets, scorers, judges, the runner, the review queue."""
