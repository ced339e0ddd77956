"""Resources of workers."""
