"""The shape of tables: columns, key, chunks, and how many rows they have without counting."""
