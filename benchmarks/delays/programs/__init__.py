"""The consumers whose delays are measured, each in a process of its own and in the environment of its client."""
