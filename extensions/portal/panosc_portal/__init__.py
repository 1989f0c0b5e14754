"""Find data at six facilities, and open it: the hub's portal, a service of its own."""

__version__ = "1.0.0"
