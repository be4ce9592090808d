"""Stores indexes, tasks and videos in an SQL database, and lists them by filter and page."""
