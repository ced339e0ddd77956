"""The management commands of the app."""

__all__ = ()
