"""Regular expressions in time proportional to the text, as Go's RE2.

Python's `re` tries alternatives one after the other, and `(a+)+$` takes it for ever.
"""
