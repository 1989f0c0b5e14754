"""Where data sets are found: one adapter a protocol, all with one answer (``model``) and declared capabilities."""
