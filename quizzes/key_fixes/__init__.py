"""Correct what is right about a published item, and give every answer to it the score that it has by that.

Versions and answers stay as they were written. A fix adds a version and says which older versions it corrects
(`KeyCorrection`); answers are marked anew in chunks, each a transaction of its own, by the key in force at that moment. So a
run can be killed, repeated or overtaken by another fix, and ends with the same scores.
"""
