"""Facilities are data: the TOML files beside this one, the models that read them, and the paths they describe.

``load`` reads them with a site's overrides, ``model`` and ``site`` say what may be in them, ``ids`` and ``paths`` turn
text from outside into one proposal and one directory, or refuse it.
"""
