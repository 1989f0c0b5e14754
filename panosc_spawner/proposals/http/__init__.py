"""Proposal sources over HTTP: catalogues and user offices, one module each, over one client."""
