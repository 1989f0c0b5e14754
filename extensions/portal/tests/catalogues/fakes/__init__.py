"""Catalogues on loopback that answer as the real ones do: each column of what was found out about them, run or read.

``async with serving(LoopBack3(WORLD)) as fake:`` gives an address in ``fake.url``, what was asked in ``fake.asked``, and takes
troubles: ``fake.trouble = hang``.
"""
