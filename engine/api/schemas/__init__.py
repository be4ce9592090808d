"""What the API takes: bodies, forms and queries, checked before the service sees them."""
