import kopf

from slipway_operator import handlers


def test_kopf_leaves_users_objects_alone_and_never_outlives_its_watches() -> None:
    settings = kopf.OperatorSettings()
    handlers.configure(settings)
    assert settings.posting.enabled is False
    timeout = settings.process.ultimate_exiting_timeout
    assert timeout is not None
    assert timeout < 30, "the kubelet's patience"
    assert (
        settings.watching.label_selectors["deployments"] == "app.kubernetes.io/managed-by=slipway"
    )


def test_an_event_costs_no_copy_of_its_object() -> None:
    settings = kopf.OperatorSettings()
    handlers.configure(settings)
    storage, body = settings.persistence.diffbase_storage, kopf.Body({"spec": {"replicas": 1}})
    assert storage.build(body=body) == {}
    assert storage.fetch(body=body) is None
    patch = kopf.Patch()
    storage.store(body=body, patch=patch, essence=kopf.BodyEssence())
    assert not patch


def test_what_is_listed_waits_in_small_pages_and_for_no_limit_of_workers() -> None:
    settings = kopf.OperatorSettings()
    handlers.configure(settings)
    assert settings.queueing.worker_limit is None
    assert settings.queueing.idle_timeout <= 0.05
    assert settings.watching.chunk_size == 100
