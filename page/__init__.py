"""The page: its routes, its queries, and what it shows, as plain values."""
