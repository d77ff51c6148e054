"""Assembly: records to a corpus: labels understood, repeats merged, splits made, leaks removed."""
