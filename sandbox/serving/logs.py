"""The two logs of a served entity: how its model was built, and what its replicas did."""

from sandbox.serving.models import DeploymentEvent, ServedEntity


def build_log(entity: ServedEntity) -> str:
    """What the build printed; before it ends, and for models that are not built, one sentence."""
    if entity.build is None:
        return "Nothing is built for this served entity."
    return entity.build.log or f"The build is {entity.build.status}."


def service_log(entity: ServedEntity) -> str:
    """The entity's events as log lines, one for each change of state. A replica's own output is not kept: it runs in the jail."""
    events = DeploymentEvent.objects.filter(
        endpoint_id=entity.config.endpoint_id,
        served_entity_name=entity.name,
        config_version=entity.config.config_version,
    )
    return "".join(f"{event.at:%Y-%m-%dT%H:%M:%S.%fZ} {event.type} {event.message}".rstrip() + "\n" for event in events)
