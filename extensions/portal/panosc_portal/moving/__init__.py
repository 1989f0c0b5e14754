"""Data on the move: downloads, transfers of one's own, archives, and staging next to the hub."""
