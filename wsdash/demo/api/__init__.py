"""The workspace API of the demo, in both generations: `server` runs one of them."""
