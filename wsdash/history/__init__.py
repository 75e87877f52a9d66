"""What was measured, for at least fifteen days in bounded space: one writer, any number of readers."""
