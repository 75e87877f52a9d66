"""What only a TimescaleDB source needs: proof that no chunk was rewritten under a reader, jobs, aggregates.
aggregates.

Everything here asks first whether the extension is there, and does nothing on a plain PostgreSQL.
"""
