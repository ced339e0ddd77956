"""How a bug is planted: by class, function and syntax tree, so that moves and formatting do not matter."""
