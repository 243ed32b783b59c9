"""Derivatives of functions of arrays: by the library whose arrays they take, else by differences.

A function here takes (n, m) and returns one number for each row, which depends on that row
alone, or (n, m), each of which depends on its own entry alone. So the gradient of the sum is
that of each row, and a product with the Hessian is that of each row with a direction of its
own. JAX and PyTorch differentiate exactly; functions of NumPy arrays are differentiated by
central differences, 2m calls for the gradient of rows and 2 for that of entries.
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from landau_vae.display import Array
from landau_vae.errors import InputError

Function = Callable[..., Any]  # arrays of one library → arrays of it
STEP = np.finfo(np.float64).eps ** (1 / 3)  # of the unit: where a central difference is most exact
SECOND_STEP = np.finfo(np.float64).eps ** (1 / 4)  # the same of a difference of differences


class Calculus(NamedTuple):
    """How functions of one library are called and differentiated, with NumPy arrays outside."""

    array: Callable[[Array], Any]  #: an array of the library
    call: Callable[..., Array]  #: (function, arrays) → its result
    gradient: Callable[[Function, Array, Array], Array]  #: (function, at, unit) → (n, m)
    along: Callable[[Function, Array, Array, Array], Array]  #: (function, at, direction, unit) → H times it, (n, m)


# ------------------------------------------------------------------------------------------------ NumPy


def _difference(function: Function, at: Array, unit: Array) -> Array:
    sizes = STEP * np.maximum(np.abs(at).max(axis=0), unit)
    change = np.asarray(function(at + sizes)) - np.asarray(function(at - sizes))
    if change.shape == at.shape:  # entry by entry
        return change / (2 * sizes)
    slope = np.empty(at.shape)
    for j, step in enumerate(np.diag(sizes)):
        slope[:, j] = (np.asarray(function(at + step)) - np.asarray(function(at - step))) / (2 * sizes[j])
    return slope


def _second_difference(function: Function, at: Array, direction: Array, unit: Array) -> Array:
    longest = np.abs(direction / unit).max(axis=1, keepdims=True)
    step = np.divide(SECOND_STEP, longest, out=np.zeros(longest.shape), where=longest > 0) * direction
    change = _difference(function, at + step, unit) - _difference(function, at - step, unit)
    return change * longest / (2 * SECOND_STEP)


NUMPY = Calculus(np.asarray, lambda function, *arrays: np.asarray(function(*arrays)), _difference, _second_difference)

# -------------------------------------------------------------------------------------------------- JAX


def _jax() -> Calculus:
    import jax

    def call(function: Function, *arrays: Any) -> Array:
        with jax.enable_x64(True):
            return np.asarray(function(*map(jax.numpy.asarray, arrays)))

    def slope(function: Function) -> Function:
        return jax.grad(lambda f: function(f).sum())

    def along(function: Function, at: Array, direction: Array, _: Array) -> Array:
        return call(lambda f, v: jax.jvp(slope(function), (f,), (v,))[1], at, direction)

    return Calculus(jax.numpy.asarray, call, lambda function, at, _: call(slope(function), at), along)


# ------------------------------------------------------------------------------------------------ PyTorch


def _torch(precision: str) -> Calculus:
    torch = sys.modules["torch"]

    def tensors(*arrays: Any) -> list[Any]:
        return [torch.as_tensor(np.array(each), dtype=getattr(torch, precision)) for each in arrays]

    def call(function: Function, *arrays: Any) -> Array:
        return _numpy(function(*tensors(*arrays)))

    def slope(function: Function, at: Array, *, again: bool = False) -> tuple[Any, Any]:
        (f,) = tensors(at)
        f.requires_grad_(True)
        return f, torch.autograd.grad(function(f).sum(), f, create_graph=again)[0]

    def along(function: Function, at: Array, direction: Array, _: Array) -> Array:
        f, first = slope(function, at, again=True)
        if not first.requires_grad:  # the slope is constant
            return np.zeros(at.shape)
        (second,) = torch.autograd.grad((first * tensors(direction)[0]).sum(), f, allow_unused=True)
        return np.zeros(at.shape) if second is None else _numpy(second)

    return Calculus(lambda each: tensors(each)[0], call, lambda function, at, _: _numpy(slope(function, at)[1]), along)


def _numpy(tensor: Any) -> Array:
    tensor = tensor.detach().cpu() if hasattr(tensor, "detach") else tensor
    return np.asarray(tensor, dtype=np.float64)


# ---------------------------------------------------------------------------------------- which of them


def calculus_of(function: Function, *arrays: Array, name: str) -> Calculus:
    """Return how a user's function is differentiated: by the library whose arrays it takes and returns."""
    try:
        kind = type(function(*arrays)).__module__.partition(".")[0]
    except Exception as problem:  # anything: it may take tensors only
        for precision in ("float64", "float32") if "torch" in sys.modules else ():
            if _works(tensors := _torch(precision), function, arrays):
                return tensors
        words = " ".join(str(problem).split())
        raise InputError(
            f"{name} raised {type(problem).__name__} on rows of the data ({words}): correct it.", name
        ) from problem
    return _jax() if kind.startswith("jax") else _torch("float64") if kind == "torch" else NUMPY


def _works(calculus: Calculus, function: Function, arrays: tuple[Array, ...]) -> bool:
    try:
        calculus.call(function, *arrays)
    except Exception:  # anything: the first problem is reported
        return False
    return True
