from typing import Any

from slipway_operator.cache import Cache, name_of
from slipway_operator.core.manifest import MODEL, SCALER, SERVICE
from slipway_operator.ports import Ref

REF = Ref("risk", "fraud")


def a_service(version: int = 5, uid: str = "u", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "fraud",
            "namespace": "risk",
            "uid": uid,
            "resourceVersion": str(version),
            "labels": {"slipway.dev/model": "fraud"},
            "managedFields": ["much"],
            "annotations": {"theirs": "x", "slipway.dev/applied": "y"},
        },
        "spec": spec,
    }


def test_news_rings_its_model_and_old_news_does_not() -> None:
    cache = Cache()
    assert cache.put(SERVICE, a_service(5, a=1)) == REF
    assert cache.put(SERVICE, a_service(5, a=1)) is None
    assert cache.put(SERVICE, a_service(4, a=0)) is None
    assert cache.children(REF)[0]["spec"] == {"a": 1}
    assert cache.put(SERVICE, a_service(6, a=2)) == REF


def test_a_reading_of_the_load_is_no_news() -> None:
    cache = Cache()
    assert cache.put(SCALER, a_service(5) | {"status": {"currentMetrics": [1], "x": 1}}) == REF
    assert cache.put(SCALER, a_service(6) | {"status": {"currentMetrics": [2], "x": 1}}) is None
    assert cache.put(SCALER, a_service(7) | {"status": {"currentMetrics": [2], "x": 2}}) == REF


def test_what_no_decision_needs_is_not_kept() -> None:
    cache = Cache()
    cache.put(SERVICE, a_service())
    metadata = cache.children(REF)[0]["metadata"]
    assert "managedFields" not in metadata
    assert metadata["annotations"] == {"slipway.dev/applied": "y"}


def test_the_end_of_a_namesake_is_not_the_end_of_this_one() -> None:
    cache = Cache()
    cache.put(SERVICE, a_service(7, uid="new"))
    assert cache.drop(SERVICE, a_service(6, uid="old")) is None
    assert cache.children(REF)
    assert cache.drop(SERVICE, a_service(8, uid="new")) == REF
    assert not cache.children(REF)


def test_an_object_of_nobodys_rings_nobody() -> None:
    service = a_service()
    del service["metadata"]["labels"]
    assert Cache().put(SERVICE, service) is None


def test_a_complete_list_buries_ghosts_but_nothing_younger_than_itself() -> None:
    cache = Cache()
    cache.put(SERVICE, a_service(5))
    assert cache.bury(SERVICE, set(), version=5) == set()
    assert cache.bury(SERVICE, {name_of(SERVICE, a_service())}, version=9) == set()
    assert cache.bury(SERVICE, set(), version=9) == {REF}
    assert not cache.children(REF)


def test_a_model_is_found_by_its_ref() -> None:
    cache = Cache()
    metadata = {"name": "fraud", "namespace": "risk", "uid": "m", "resourceVersion": "1"}
    assert cache.put(MODEL, {"metadata": metadata}) == REF
    assert cache.model(REF) is not None
    assert cache.model(Ref("risk", "other")) is None


def test_a_child_whose_label_is_edited_stays_with_its_model() -> None:
    cache = Cache()
    cache.put(SERVICE, a_service(5))
    stolen, bare = a_service(6), a_service(7)
    stolen["metadata"]["labels"]["slipway.dev/model"] = "other"
    del bare["metadata"]["labels"]["slipway.dev/model"]
    assert cache.put(SERVICE, stolen) == REF
    assert cache.put(SERVICE, bare) == REF
    assert cache.children(REF)[0]["metadata"]["labels"] == {}
    assert cache.drop(SERVICE, stolen) == REF
    assert cache.children(REF) == cache.children(Ref("risk", "other")) == []


def test_versions_are_numbers_not_texts() -> None:
    cache = Cache()
    cache.put(SERVICE, a_service(9, a=1))
    assert cache.put(SERVICE, a_service(10, a=2)) == REF


def test_a_list_of_one_kind_buries_nothing_of_another() -> None:
    cache = Cache()
    cache.put(SERVICE, a_service(5))
    assert cache.bury(SCALER, set(), version=9) == set()
    assert cache.children(REF)


def test_an_object_comes_out_with_the_version_of_the_last_write_that_changed_nothing_else() -> None:
    cache = Cache()
    cache.put(SERVICE, a_service(5, a=1))
    assert cache.put(SERVICE, a_service(6, a=1)) is None
    assert cache.children(REF)[0]["metadata"]["resourceVersion"] == "6"


def test_children_are_unpacked_again_when_one_of_them_has_changed_or_gone() -> None:
    cache = Cache()
    cache.put(SERVICE, a_service(5, a=1))
    cache.put(SCALER, a_service(5))
    assert cache.children(REF) is cache.children(REF)
    cache.put(SERVICE, a_service(6, a=2))
    assert {"a": 2} in [child["spec"] for child in cache.children(REF)]
    cache.drop(SCALER, a_service(5))
    assert len(cache.children(REF)) == 1


def test_the_order_of_keys_is_no_news() -> None:
    cache = Cache()
    cache.put(SERVICE, a_service(5, a=1, b=2))
    assert cache.put(SERVICE, a_service(6, b=2, a=1)) is None


def test_models_are_counted_by_what_their_status_answers() -> None:
    cache = Cache()
    ready = {"type": "Ready", "status": "True", "reason": "Serving", "message": "m"}
    for name, status in (("a", {"conditions": [ready]}), ("b", {})):
        metadata = {"name": name, "namespace": "risk", "uid": name, "resourceVersion": "1"}
        cache.put(MODEL, {"metadata": metadata, "status": status})
    cache.put(SERVICE, a_service())
    assert sorted(cache.answers()) == [(), (("Ready", "True", "Serving"),)]
