"""The models that turn video into evidence: what each does, and which ones are used."""
