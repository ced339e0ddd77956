"""Everything that touches a thread, a clock or a broker."""
