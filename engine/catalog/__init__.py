"""Indexes, tasks and videos in SQL, and the queries over them."""
