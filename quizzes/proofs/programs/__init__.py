"""The programs that options' proofs name: each acts on a workspace through the client and reports facts.

Every program is ours and takes only plain arguments from a bank file; learners choose which one to replay, never what it does.
A module holds the programs of one topic and lists them in its own PROGRAMS; names are unique over all of them.
"""

from quizzes.proofs.programs import (
    captured_requests,
    catalog_statements,
    chat_requests,
    computed,
    custom_models,
    endpoint_configurations,
    experiment_runs,
    external_models,
    feature_tables,
    foundation_models,
    gateway_settings,
    inference_rows,
    model_registry,
    provider_endpoints,
    registrations,
    retrieval,
    scenarios,
    scoring_requests,
)
from quizzes.proofs.programs.program import Program

__all__ = ["PROGRAMS", "Program"]

PROGRAMS: dict[str, Program] = {
    **captured_requests.PROGRAMS,
    **catalog_statements.PROGRAMS,
    **chat_requests.PROGRAMS,
    **computed.PROGRAMS,
    **custom_models.PROGRAMS,
    **endpoint_configurations.PROGRAMS,
    **experiment_runs.PROGRAMS,
    **external_models.PROGRAMS,
    **feature_tables.PROGRAMS,
    **foundation_models.PROGRAMS,
    **gateway_settings.PROGRAMS,
    **inference_rows.PROGRAMS,
    **model_registry.PROGRAMS,
    **provider_endpoints.PROGRAMS,
    **registrations.PROGRAMS,
    **retrieval.PROGRAMS,
    **scenarios.PROGRAMS,
    **scoring_requests.PROGRAMS,
}
