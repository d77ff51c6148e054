"""An HTTP service in front of bundles; it imports the runtime and nothing else of the project."""
