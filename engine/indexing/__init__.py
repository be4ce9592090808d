"""Turns uploaded files into evidence: fetching, probing, extraction, and the state of each task."""
