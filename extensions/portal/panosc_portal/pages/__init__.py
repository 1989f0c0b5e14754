"""The look that all pages share: templates, static files, and how they are rendered."""
