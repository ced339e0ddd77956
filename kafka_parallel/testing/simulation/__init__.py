"""A deterministic world for the real consumer: one seed decides every scenario and every interleaving."""
