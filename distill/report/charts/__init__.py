"""Charts of the report page: each function draws a part of a `Report` and returns an SVG."""
