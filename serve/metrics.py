"""What Prometheus is told."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0)

PATHS = ("/", "/generate/temperature", "/health", "/metrics", "/docs")


class Metrics:
    """The counters of one service, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "ondo_requests", "Requests by path and status", ["path", "status"], registry=self._registry
        )
        self.latency = Histogram("ondo_answer_seconds", "Time to an answer", buckets=SECONDS, registry=self._registry)
        self.answers = Counter("ondo_answers", "Answers by source", ["source"], registry=self._registry)
        self.cached = Counter("ondo_answers_cached", "Answers out of the cache", registry=self._registry)
        self.failures = Counter(
            "ondo_rule_failures", "The engine's answers that failed, by rule", ["rule"], registry=self._registry
        )
        self.engine_errors = Counter(
            "ondo_engine_errors", "Times the engine gave no answer, by kind", ["kind"], registry=self._registry
        )
        self.under_way = Gauge("ondo_requests_under_way", "Requests being answered", registry=self._registry)

    def count_request(self, path: str, status: int) -> None:
        """Count one; paths that nobody serves are counted together."""
        self.requests.labels(path if path in PATHS else "other", str(status)).inc()

    def text(self) -> bytes:
        """All of them in Prometheus's text format."""
        return generate_latest(self._registry)
