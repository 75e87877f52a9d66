"""The API's tests: what is asked, the items made for it, and how they are removed again."""
