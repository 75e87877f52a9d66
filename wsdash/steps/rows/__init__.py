"""Row counts of both sides, and which count belongs to which."""
