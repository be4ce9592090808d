"""Which platform is used, what it accepts, what it is asked to classify, and what that costs."""
