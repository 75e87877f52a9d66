"""The guide's testing checklist: each line a step that tries it."""
