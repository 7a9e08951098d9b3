"""What a request costs, beside onnxruntime without a server."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from slipway_bench import raw
from slipway_bench.asks import Ask, as_binary, as_grpc, as_json
from slipway_bench.load import Load, Seen, ask
from slipway_bench.models import Model
from slipway_bench.raw import Raw
from slipway_bench.servers import Server, running, slipway
from slipway_bench.table import Row, Target

FORMS = {"binary": as_binary, "JSON": as_json, "gRPC": as_grpc}
EVERY = tuple(FORMS)
WITHOUT_JSON = ("binary", "gRPC")
"""Where reading the numbers would be most of the work."""

CPU_US = {"binary": 15.0, "JSON": 15.0, "gRPC": 25.0}
OF_RAW = {"tiny": 0.35, "mlp": 2.0}
OVER_RAW_CPU = 1.05
OVER_RAW_P50_US = 60.0


@dataclass(frozen=True)
class Rounds:
    """How often each case is measured, and for how long each time."""

    count: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.count} rounds of {self.seconds:g} s a case"


@dataclass(frozen=True)
class Round:
    """One round of one case: what the client saw, and the server's CPU time per answer."""

    seen: Seen
    cpu_us: float

    @property
    def busy(self) -> float:
        """CPU seconds of the server per second."""
        return self.cpu_us * self.seen.rate / 1e6


@dataclass
class Cases:
    """The rounds of a model: raw, and by form and requests in flight."""

    raw: list[Raw] = field(default_factory=list)
    rounds: dict[tuple[str, int], list[Round]] = field(default_factory=dict)

    def cpu(self, form: str) -> list[float]:
        """CPU per request with 16 requests in flight, in microseconds."""
        return [each.cpu_us for each in self.rounds[form, 16]]

    def of_raw(self, form: str) -> list[float]:
        """Requests a second with 16 in flight, as a multiple of raw runs a second."""
        pairs = zip(self.rounds[form, 16], self.raw, strict=True)
        return [each.seen.rate / raw.rate for each, raw in pairs]

    def over_raw_cpu(self, form: str) -> list[float]:
        """CPU per request as a multiple of raw CPU per run."""
        return [cpu / raw.cpu_us for cpu, raw in zip(self.cpu(form), self.raw, strict=True)]

    def over_raw_p50(self, form: str) -> list[float]:
        """Microseconds that a lonely request takes longer than a run."""
        pairs = zip(self.rounds[form, 1], self.raw, strict=True)
        return [each.seen.latency_us["p50"] - raw.p50_us for each, raw in pairs]


def in_flight(ask: Ask, count: int, seconds: float) -> Load:
    """Keep so many requests in flight: over gRPC four a connection, as its clients do."""
    if ask.protocol == "http":
        return Load(count, seconds)
    streams = min(4, count)
    return Load(count // streams, seconds, streams)


def one_round(server: Server, question: Ask, count: int, seconds: float) -> Round:
    """Measure one round; every answer must be right."""
    port = server.http if question.protocol == "http" else server.grpc
    before = server.cpu_seconds()
    seen = ask(port, [question], in_flight(question, count, seconds)).flawless()
    return Round(seen, (server.cpu_seconds() - before) / seen.right * 1e6)


def cases(
    model: Model, rounds: Rounds, forms: Sequence[str] = EVERY, counts: Sequence[int] = (1, 16)
) -> Cases:
    """Measure a model in some forms, raw onnxruntime in each round beside them."""
    measured = Cases()
    asks = {form: FORMS[form](model) for form in forms}
    with running(slipway(model)) as server:
        for question in asks.values():
            one_round(server, question, 16, 0.5)
        for _ in range(rounds.count):
            measured.raw.append(raw.measure(model, rounds.seconds))
            for form, question in asks.items():
                for count in counts:
                    found = one_round(server, question, count, rounds.seconds)
                    measured.rounds.setdefault((form, count), []).append(found)
    return measured


def measure(models: dict[str, Model], rounds: Rounds) -> Iterator[Row]:
    """Measure what a request costs."""
    tiny = cases(models["tiny"], rounds)
    for form, bound in CPU_US.items():
        yield Row(f"tiny, {form}: CPU per request", "µs", tiny.cpu(form), Target(bound))
    yield from _of_raw("tiny", tiny)
    yield from _alone("tiny", tiny)
    mlp = cases(models["mlp"], rounds)
    for form in FORMS:
        yield Row(f"mlp, {form}: CPU per request", "µs", mlp.cpu(form))
    yield from _of_raw("mlp", mlp)
    yield from _alone("mlp", mlp)
    for name in ("conv", "deep"):
        yield from _working(name, cases(models[name], rounds, WITHOUT_JSON, (16,)))


def _working(name: str, measured: Cases) -> Iterator[Row]:
    yield Row(f"{name}: onnxruntime alone, one run", "µs", [raw.p50_us for raw in measured.raw])
    for form in WITHOUT_JSON:
        row = f"{name}, {form}: CPU per request / raw CPU per run"
        yield Row(row, "x", measured.over_raw_cpu(form), Target(OVER_RAW_CPU))


def _of_raw(name: str, measured: Cases) -> Iterator[Row]:
    yield Row(f"{name}: onnxruntime alone", "runs/s", [each.rate for each in measured.raw])
    for form in FORMS:
        target = Target(OF_RAW[name], least=True) if form == "binary" else None
        yield Row(f"{name}, {form}, c=16: throughput / raw", "x", measured.of_raw(form), target)


def _alone(name: str, measured: Cases) -> Iterator[Row]:
    for form in FORMS:
        target = None if form == "JSON" else Target(OVER_RAW_P50_US)
        row = f"{name}, {form}, c=1: p50 beyond a raw run"
        yield Row(row, "µs", measured.over_raw_p50(form), target)
