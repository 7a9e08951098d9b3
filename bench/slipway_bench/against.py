"""Ours and its peers in turn: the same model, machine, load and time."""

from collections.abc import Iterator
from statistics import median

from slipway_bench.models import Model
from slipway_bench.peers import PEERS, Peer
from slipway_bench.servers import running, slipway
from slipway_bench.speed import FORMS, Rounds, one_round
from slipway_bench.table import Row, Target

TIMES: dict[str, dict[str, float | None]] = {
    "mlserver": {"JSON": 10.0},
    "kserve": {"JSON": 10.0, "binary": 10.0},
    "triton": {"binary": 2.5, "gRPC": 1.5, "JSON": None},
}
"""How many times as many requests a second; None is measured to be known."""


def measure(models: dict[str, Model], rounds: Rounds) -> Iterator[Row]:
    """Measure requests per second beside those of every peer that can be measured here."""
    for model in (models["tiny"], models["mlp"]):
        for peer in PEERS:
            yield from _lacking(model, peer) if peer.lacks else _beside(model, peer, rounds)


def _lacking(model: Model, peer: Peer) -> Iterator[Row]:
    return (_row(model.name, form, peer, [], peer.lacks) for form in TIMES[peer.name])


def _beside(model: Model, peer: Peer, rounds: Rounds) -> Iterator[Row]:
    """Measure one peer; both servers are up all the time, and asked in turn."""
    with running(slipway(model)) as ours, running(peer.launch(model)) as theirs:
        for form in TIMES[peer.name]:
            question = FORMS[form](model)
            for server in (ours, theirs):
                one_round(server, question, 16, 1.0)
            pairs = [
                [one_round(server, question, 16, rounds.seconds) for server in (ours, theirs)]
                for _ in range(rounds.count)
            ]
            ratios = [our.seen.rate / their.seen.rate for our, their in pairs]
            our_cpu, their_cpu = (median(pair[side].cpu_us for pair in pairs) for side in (0, 1))
            note = f"CPU per request {our_cpu:.0f} µs against {their_cpu:.0f} µs"
            yield _row(model.name, form, peer, ratios, note)


def _row(model: str, form: str, peer: Peer, ratios: list[float], note: str) -> Row:
    times = TIMES[peer.name][form]
    target = Target(times, least=True) if times else None
    return Row(f"{model}, {form}, c=16: requests/s / {peer.title}", "x", ratios, target, note)
