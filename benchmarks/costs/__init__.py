"""The library's own cost per record as something grows, without a broker: it must stay flat."""
