"""What the library itself costs per record as something grows, without a broker: it must stay flat."""
