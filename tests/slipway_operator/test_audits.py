"""What memory holds is compared with lists, when it must be."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from slipway_operator.audits import Audits
from slipway_operator.cache import Cache
from slipway_operator.core.manifest import MODEL, SERVICE, Kind, Manifest
from slipway_operator.ports import ApiError, Ref
from support.builders import a_model
from support.waiting import until


class Lists:
    """An API server's lists; ``away`` tries fail first."""

    def __init__(self, *models: Manifest, away: int = 0) -> None:
        self.models = list(models)
        self.asked: list[Kind] = []
        self._away = away
        self.kinds = (SERVICE, MODEL)

    async def everything(self, kind: Kind) -> AsyncIterator[tuple[list[Manifest], int]]:
        self.asked.append(kind)
        for page in self.models if kind is MODEL else ():
            yield [page], 100
            if len(self.asked) <= self._away:
                raise ApiError(0, "nobody answers any more")
        yield [], 100


@contextmanager
def comparing(audits: Audits) -> Iterator[None]:
    task = asyncio.get_running_loop().create_task(audits.after_each_list())
    yield
    task.cancel()


def remembering(*models: Manifest) -> Cache:
    cache = Cache()
    for model in models:
        cache.put(MODEL, model)
    return cache


async def test_what_was_gone_before_a_watch_began_anew_is_forgotten_and_its_model_rung() -> None:
    ghost, kept = a_model("ghost"), a_model("kept")
    cache, rung, lists = remembering(ghost, kept), list[Ref](), Lists(kept)
    audits = Audits(lists, cache, rung.append)
    with comparing(audits):
        audits.listed(MODEL)
        await until(lambda: rung)
    assert rung == [Ref("risk", "ghost")]
    assert [*cache.models()] == [kept]


async def test_lists_that_come_together_are_compared_together_and_others_not_at_all() -> None:
    lists = Lists()
    audits = Audits(lists, Cache(), lambda _: None)
    with comparing(audits):
        for kind in (MODEL, SERVICE, MODEL):
            audits.listed(kind)
        await until(lambda: len(lists.asked) == 2)
        await asyncio.sleep(0.1)
    assert set(lists.asked) == {MODEL, SERVICE}
    assert len(lists.asked) == 2


async def test_an_api_server_that_goes_away_between_two_pages_is_waited_for() -> None:
    models = [a_model("first"), a_model("second")]
    ghost = a_model("ghost")
    lists, rung, cache = Lists(*models, away=1), list[Ref](), remembering(ghost)
    await Audits(lists, cache, rung.append).audit([MODEL])
    assert lists.asked == [MODEL, MODEL]
    assert rung == [Ref("risk", name) for name in ("first", "second", "ghost")]
    assert [*cache.models()] == models
