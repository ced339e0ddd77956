"""The programs that are compared; each handles one workload in a process of its own."""
