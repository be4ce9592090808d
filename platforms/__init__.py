"""Which platform is used, what is asked of it, and what that costs."""
