"""The place where Django looks for the commands of an application."""
