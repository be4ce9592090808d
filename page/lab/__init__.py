"""The prompt lab: its form, its drafts, and their comparison."""
