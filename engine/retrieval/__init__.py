"""Scores the evidence of indexed videos against prompts: classification and search."""
