"""Days 0 to 14 and the success board: a pure judgement of what journal and samples hold.

`spec` reads config/timeline.yaml, `story` folds the journal, `evidence` cuts the samples into days, and
`judge` answers. What was seen too little of gets no verdict.
"""
