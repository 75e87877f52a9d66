"""Days lived on a clock other than the machine's: only the demo's script uses them."""
