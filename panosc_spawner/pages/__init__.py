"""What a person sees: their proposals, the choose page, progress, and why something cannot be. ``install`` puts it into a hub.

The view-models (``rows``, ``servers``, ``choose``, ``words``, ``machine``) are pure and know nothing of JupyterHub; the handlers
are thin. The portal uses ``words`` and ``assets`` alone, so this package loads nothing by itself.
"""
