"""The test modules of the structure of the source."""
