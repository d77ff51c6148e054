"""Counters of the service as Prometheus text: numbers, names of routes and of bundles, and never a text."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from distill.export.runtime import Prediction
from distill.serving.bundles import ServedBundles

# upper bounds in seconds; a static student answers in tenths of a millisecond, a transformer in up to hundreds
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counts since the service started; the event loop's thread alone changes them."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, list[float]] = {}  # per route: a count per bucket, one above all, and the sum
        self._texts: Counter[tuple[str, str]] = Counter()
        self._reloads: Counter[str] = Counter()

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count one request that was answered."""
        self._requests[route, status] += 1
        row = self._seconds.setdefault(route, [0.0] * (len(BUCKETS) + 2))
        row[bisect_left(BUCKETS, seconds)] += 1
        row[-1] += seconds

    def predictions(self, model: str, found: Sequence[Prediction]) -> None:
        """Count texts that were decided, by what became of them."""
        self._texts[model, "decided"] += sum(not prediction.abstained for prediction in found)
        self._texts[model, "abstained"] += sum(prediction.abstained for prediction in found)
        self._texts[model, "handed over"] += sum(bool(prediction.handed_over) for prediction in found)
        self._texts[model, "truncated"] += sum(prediction.truncated for prediction in found)

    def reload(self, outcome: str) -> None:
        """Count an exchange of the bundles."""
        self._reloads[outcome] += 1

    def text(self, bundles: ServedBundles, waiting: int) -> str:
        """Return everything in Prometheus' text format."""
        info = [
            ({"model": name, "manifest_sha256": bundle.sha256, "precision": bundle.manifest.precision}, 1.0)
            for name, bundle in bundles.by_name.items()
        ]
        requests = [({"route": route, "status": str(code)}, n) for (route, code), n in self._requests.items()]
        texts = [({"model": model, "outcome": outcome}, n) for (model, outcome), n in self._texts.items()]
        reloads = [({"outcome": outcome}, n) for outcome, n in self._reloads.items()]
        lines = [
            *_family("distill_bundle_info", "gauge", "Bundles that are served.", info),
            *_family("distill_requests_total", "counter", "Requests by route and status.", requests),
            *_family("distill_texts_total", "counter", "Texts by what became of them.", texts),
            *_family("distill_reloads_total", "counter", "Exchanges of the bundles.", reloads),
            *_family("distill_requests_waiting", "gauge", "Requests that are not answered yet.", [({}, waiting)]),
            *self._histogram(),
        ]
        return "\n".join(lines) + "\n"

    def _histogram(self) -> Iterable[str]:
        name = "distill_request_seconds"
        yield f"# HELP {name} Seconds from the head of a request to its answer."
        yield f"# TYPE {name} histogram"
        for route, row in self._seconds.items():
            total = 0.0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), row, strict=False):
                total += count
                yield _sample(f"{name}_bucket", {"route": route, "le": bound}, total)
            yield _sample(f"{name}_sum", {"route": route}, row[-1])
            yield _sample(f"{name}_count", {"route": route}, total)


def _family(
    name: str, kind: str, meaning: str, samples: Iterable[tuple[Mapping[str, str], float]]
) -> Iterable[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield _sample(name, labels, value)


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value:g}" if inside else f"{name} {value:g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
