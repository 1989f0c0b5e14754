"""What this site has itself: an index in SQLite, filled from NeXus files and from the site's sources."""
