"""The report: `report.json` from what the stages left, and the page that shows it."""
