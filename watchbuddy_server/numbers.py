"""Making numbers whose labels have closed sets of values.

Nothing that a caller chooses becomes a label. What is not in a label's set is told as `other`:
so the number of series is bounded, whoever calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

OTHER = "other"
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Buckets, in seconds, for what should be over in no time."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Makes numbers in one registry, all with our name before theirs."""

    registry: CollectorRegistry

    def counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"watchbuddy_{name}", meaning, labels, registry=self.registry)

    def counters(self, name: str, meaning: str, label: str, values: Iterable[str]) -> Counters:
        return Counters(self.counter(name, meaning, label), values)

    def gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"watchbuddy_{name}", meaning, labels, registry=self.registry)

    def histogram(
        self, name: str, meaning: str, buckets: Sequence[float], *labels: str
    ) -> Histogram:
        return Histogram(
            f"watchbuddy_{name}", meaning, labels, buckets=buckets, registry=self.registry
        )


class Counters:
    """One counter for each of so many values of a label, and one for all others."""

    def __init__(self, counter: Counter, values: Iterable[str]) -> None:
        self._children = {value: counter.labels(value) for value in values}
        self._other = counter.labels(OTHER)

    def count(self, value: str, by: float = 1) -> None:
        self._children.get(value, self._other).inc(by)


class WithoutBirthdays(Collector):
    """A registry, without a second series for each that tells when it began."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [one for one in metric.samples if not one.name.endswith("_created")]
            yield metric

    def restricted_registry(self, names: Iterable[str]) -> WithoutBirthdays:
        """Whoever asks for some names gets all, as at a server."""
        return self
