"""The public Python interface beyond the runtime; `distill` itself offers all of it by name."""
