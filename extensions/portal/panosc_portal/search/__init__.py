"""One search over all catalogues: asked side by side, shown as they answer, checked here, merged."""
