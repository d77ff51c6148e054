"""The recipe's tables of costs: [bench], [budget]."""

from pydantic import Field

from distill.recipe.section import Section


class BenchRecipe(Section):
    """[bench]: how long the run's own bench measures."""

    texts: int = Field(200, ge=10, description="Number of test texts that are timed, one at a time on one thread.")
    rounds: int = Field(3, ge=1, description="Number of interleaved rounds over everything that is timed.")


class BudgetRecipe(Section):
    """[budget]: what the bundle may cost on this machine; with any bound set the student is chosen by it."""

    p95_ms: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Upper bound on p95 latency for single texts, string in to decision out, in milliseconds.",
    )
    size_mb: float | None = Field(
        None, gt=0, le=1e6, description="Upper bound on the size of the whole bundle, in MB (10^6 bytes)."
    )
    rss_mb: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Upper bound on peak memory of a fresh process that answers one text, in MB (10^6 bytes).",
    )
    threads: int = Field(1, ge=1, le=1024, description="Number of onnxruntime threads for p95_ms.")
    choose: bool = Field(
        True,
        description="Choose family, shape and precision by a plan; false keeps the student and holds its bundle "
        "to the bounds.",
    )

    @property
    def asked(self) -> bool:
        """Return whether any bound is set."""
        return any(bound is not None for bound in (self.p95_ms, self.size_mb, self.rss_mb))
