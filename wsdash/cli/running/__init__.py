"""Commands that run an engine or a screen, or have the engine that runs do something."""
