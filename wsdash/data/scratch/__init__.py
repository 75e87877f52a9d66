"""Scratch databases: made for a proof and dropped whatever happens. `owner` says whose they are."""
