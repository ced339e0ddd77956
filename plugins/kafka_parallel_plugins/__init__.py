"""The plugins that ship with kafka-parallel, on the same terms as anyone's: found by entry point, public names only."""

__all__ = ()
