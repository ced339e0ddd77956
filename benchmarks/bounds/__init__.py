"""Is it clearly slower than it was: ratios of a short run beside stored bounds, ``make bench-check``."""
