"""Checks of schemathesis for the gateway."""

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import negative_data_rejection


@schemathesis.check
def only_functions_fail(ctx, response, case):
    """The gateway fails only where the function of the module fails.

    Such a function answers with an error for arguments that its schema accepts, for example a sum that is too
    large. Its status is 502, and its problem has the kind of the module's failure.
    """
    if response.status_code < 500:
        return
    problem = response.json()
    assert (response.status_code, problem.get("kind")) == (502, "execution"), problem


@schemathesis.check
def invalid_arguments_are_refused(ctx, response, case):
    """What a document forbids is refused, except headers: HTTP ignores those that it does not know."""
    header = case.meta and case.meta.components.get(ParameterLocation.HEADER)
    if not header or not header.mode.is_negative:
        negative_data_rejection(ctx, response, case)
