"""Places that rows are in: files, folders, archives and the hub, and which split each is."""
