"""A stand-in for a model that a loss function calls: its methods return arrays of the probe in place of their own.

A loss of (model, batch) is called once with a model that records what its methods return. From
then on the stand-in returns arrays of these shapes, whatever its methods are given, so that the
loss answers to moves of x̂ and of the posterior as it does to arguments.
"""

from collections.abc import Callable, Mapping
from typing import Any

from landau_vae.errors import InputError, described


class Recorder:
    """A model that keeps the first result of each of its methods."""

    def __init__(self, model: Any) -> None:
        """Keep the model."""
        self._model, self.results = model, dict[str, Any]()

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Call the model."""
        return self._kept("forward", self._model)(*given, **named)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._model, name)
        return self._kept(name, value) if callable(value) and not isinstance(value, type) else value

    def _kept(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            result = method(*given, **named)
            self.results.setdefault(name, result)
            return result

        return call


class StandIn:
    """A model whose recorded methods return what they are given here; all else is the model's own."""

    def __init__(self, model: Any, results: Mapping[str, Any]) -> None:
        """Keep the model and the results of its methods."""
        self._model, self._results = model, results

    def __call__(self, *_: Any, **__: Any) -> Any:
        """Return the result of the model."""
        return self._results["forward"]

    def __getattr__(self, name: str) -> Any:
        if name in self._results:
            return lambda *_, **__: self._results[name]
        return getattr(self._model, name)


def recorded(function: Callable[..., Any], like: tuple[Any, ...], position: int) -> dict[str, Any]:
    """Return what the methods of a model return while the function runs once on the examples."""
    recorder = Recorder(like[position])
    try:
        function(*like[:position], recorder, *like[position + 1 :])
    except Exception as problem:  # anything: it is not our code
        sentence = f"Your function raised {described(problem)} when it was called with like: give what it takes."
        raise InputError(sentence, "like") from problem
    return recorder.results
