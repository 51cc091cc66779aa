"""The verdict that a model has no ONNX form, so that it is served as it is."""

from sandbox.jail.errors import JobProblem

FACT = "not_convertible"
"""Key of the sentence in the facts of the conversion's parcel."""


class NotConvertible(JobProblem):
    """The model may be fine, but it cannot become ONNX; the message is a sentence that says why.

    Raise it in the conversion for whatever MLflow itself could still serve; `JobProblem` is for what nobody could.
    """
