"""Commands that look, compare and print, and change nothing of a run. `init` writes a configuration."""
