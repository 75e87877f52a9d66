"""What rehearsals say of the night: the downtime to expect, and what was found, in lines for people."""
