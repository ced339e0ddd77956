"""Writes which records above the commit point are finished into the commit, so that a crash does not repeat them."""

__all__ = ()
