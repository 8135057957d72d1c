"""The console: one page for a person, plain HTML, CSS and modules, served as they stand."""
