"""From a data set to a plot: what it is, whose it is, where it lies, and the notebook that opens on it."""
