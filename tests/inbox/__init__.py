"""The test modules of the inbox and of the databases that it is used with."""
