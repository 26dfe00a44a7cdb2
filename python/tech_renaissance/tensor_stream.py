"""The name that `tech_renaissance.tensor_stream` has for users."""

from .host.tensor_stream import TensorStream

__all__ = ["TensorStream"]
