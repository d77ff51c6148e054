"""Reading: files and hub data sets to records, one row at a time."""
