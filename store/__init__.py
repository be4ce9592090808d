"""The results folder: what a run writes, what the page reads, and the forms it is exported in."""
