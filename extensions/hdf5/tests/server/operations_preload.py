"""Imported by workers at start."""

import server_operations

server_operations.register()
