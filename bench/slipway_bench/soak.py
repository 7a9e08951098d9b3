"""Everything at once for long: sizes, forms, wrong requests, connections that open and die."""

from collections.abc import Iterator
from threading import Event, Thread

from slipway_bench.asks import Ask, as_binary, as_grpc, as_json
from slipway_bench.load import Load, Seen, finish, start
from slipway_bench.models import Model
from slipway_bench.servers import Server, running, slipway
from slipway_bench.table import Row, Target

SIZES = (1, 2, 5, 16, 64, 250)
CHURN = 0.02
SAMPLE_SECONDS = 5.0
SETTLING = 1 / 6
"""Share of the time in which memory may grow: 5 of 30 minutes."""
GROWTH_PERCENT = 2.0


def measure(models: dict[str, Model], minutes: float) -> Iterator[Row]:
    """Ask for so many minutes over REST and gRPC."""
    model, seconds = models["mlp"], minutes * 60
    memory: list[int] = []
    with running(slipway(model)) as server:
        ended = Event()
        watch = Thread(target=_watch, args=(server, memory, ended))
        watch.start()
        asking = [
            start(server.http, _http_asks(model), Load(16, seconds, churn=CHURN)),
            start(server.grpc, _grpc_asks(model), Load(4, seconds, streams=4, churn=CHURN)),
        ]
        seen = [finish(each) for each in asking]
        ended.set()
        watch.join()
    for protocol, found in zip(("REST", "gRPC"), seen, strict=True):
        yield from _answers(f"soak {minutes:g} min, {protocol}", found)
    settled = memory[int(len(memory) * SETTLING) :]
    growth = (max(settled) / settled[0] - 1) * 100
    yield Row(f"soak {minutes:g} min: memory", "MB", [each / 1e6 for each in memory])
    yield Row("memory after a sixth of the time: growth", "%", [growth], Target(GROWTH_PERCENT))


def _answers(name: str, seen: Seen) -> Iterator[Row]:
    failed = sum(count for status, count in seen.statuses.items() if _fault(status))
    said = ", ".join(f"{status}: {count}" for status, count in sorted(seen.statuses.items()))
    yield Row(f"{name}: right answers", "", [seen.right], note=said)
    yield Row(f"{name}: connections ended by the client", "", [seen.hung_up])
    yield Row(f"{name}: wrong answers", "", [seen.wrong], Target(0), seen.first_problem)
    yield Row(f"{name}: faults of the server", "", [failed], Target(0))
    yield Row(f"{name}: connections ended by the server", "", [seen.broken], Target(0))


def _fault(status: str) -> bool:
    """Tell 5xx, and what it is in gRPC: UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE."""
    return (len(status) == 3 and status[0] == "5") or status in ("-1", "2", "4", "13", "14")


def _watch(server: Server, memory: list[int], ended: Event) -> None:
    while not ended.wait(SAMPLE_SECONDS):
        memory.append(server.memory_bytes())
    memory.append(server.memory_bytes())


def _http_asks(model: Model) -> list[Ask]:
    binary, text = as_binary(model), as_json(model)
    sized = [make(model, size) for size in SIZES for make in (as_binary, as_json)]
    wrong = [
        text.refused(400, b'{"inputs": [{"name": "x", '),
        text.refused(400, text.body.replace(b"FP32", b"INT8")),
        text.refused(400, text.body.replace(b"[1, 256]", b"[1, 257]")),
        text.refused(400, b""),
        binary.refused(400, binary.body[:-1]),
        Ask("http", "/v2/models/nobody/infer", text.body, status=404),
        Ask("http", "/v2/nothing", b"", status=404),
    ]
    return _shuffled(sized, wrong)


def _grpc_asks(model: Model) -> list[Ask]:
    one = as_grpc(model)
    wrong = [
        one.refused(3, one.body[:-1]),
        one.refused(3, one.body.replace(b"FP32", b"INT8")),
        one.refused(5, one.body.replace(b"mlp", b"plm")),
        Ask("grpc", one.path + "s", one.body, status=12),
    ]
    return _shuffled([as_grpc(model, size) for size in SIZES], wrong)


def _shuffled(sized: list[Ask], wrong: list[Ask]) -> list[Ask]:
    """Put a wrong request after every few right ones."""
    mixed = []
    for number, each in enumerate(sized * len(wrong)):
        mixed.append(each)
        if number % len(sized) == 0:
            mixed.append(wrong[number // len(sized)])
    return mixed
