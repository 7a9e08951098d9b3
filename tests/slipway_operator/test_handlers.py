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
