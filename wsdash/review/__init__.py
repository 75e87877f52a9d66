"""What people read about a run or a machine: reports, diagnostics, a first configuration, the last question.

A run is read from its journal and samples alone (`story`), whether or not an engine lives; nothing here
changes either side.
"""
