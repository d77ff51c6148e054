"""Sections of the report page: each a function of `report.json`."""
