"""Watch a PyTorch model in training: what its encoder returns, what its decoder is given, and both gradients.

    ∂L/∂z at the decoder's input,  ∂L/∂μ in total,  ε = (z − μ)/σ

The reconstruction reaches the encoder through z only, so that ∂ℓ/∂μ = ∂L/∂z there, and the rest of
∂L/∂μ is the KL's. Tensors are read when the monitor is due; nothing is computed on the graph, and
neither weights nor gradients change. One batch goes to the monitor when the optimiser steps, or
when the next batch is encoded.
"""

import warnings
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from landau_vae import limits
from landau_vae.adapters.frameworks import framework
from landau_vae.adapters.outputs import Code, Spread, View, channels, cut, log_variance, noise, off, read
from landau_vae.adapters.taps import Arguments, Tap, parts_of
from landau_vae.checks import checked
from landau_vae.diagnosis import Monitor, MonitorWarning
from landau_vae.errors import InputError

__all__ = ["Watch", "watch"]

OPEN = 4  # encoded batches that wait for their gradients: several views of one batch, at most
UNSEEN = 20  # updates of a model after which it is said that its encoder was not called
NAMED = (
    "as in watch(monitor, model.encode, model.decode) or watch(monitor, (model.fc_mu, model.fc_logvar), model.decoder)"
)
STEPS = 100  # of the graph, within which z is made of the mean


@checked
def watch(
    monitor: Monitor,
    encoder: Any,
    decoder: Any = None,
    *,
    spread: Spread = "log_variance",
    loss_scale: Any = 1.0,
    data: bool = True,
) -> "Watch":
    """Let a monitor follow a model while it trains.

    Parameters
    ----------
    monitor : Monitor
        It is updated once for each batch that is encoded in training.
    encoder : module, method, pair of modules, or model
        What returns the mean and the spread of the posterior: `model.encoder`, `model.encode`,
        or the two heads `(model.fc_mu, model.fc_logvar)`. Alone, a model with methods `encode`
        and `decode`, or with modules `encoder` and `decoder`; heads beside them are found by
        names that end or begin in `mu`, `logvar` and the like.
    decoder : module or method, optional
        What is given z, alone or with more: `model.decoder` or `model.decode`.
    spread : {"log_variance", "variance", "std", "log_std"}, default "log_variance"
        What the encoder returns beside the mean. Distributions and outputs with names say it
        themselves.
    loss_scale : float, callable or GradScaler, default 1.0
        By what the loss is multiplied before `backward()`: the scaler of mixed precision, ¼
        if gradients of four batches are accumulated, or a function that returns the number.
    data : bool, default True
        Whether the first argument of the encoder is x as the loss has it.

    Returns
    -------
    Watch
        `remove()` ends it; it is a context manager too.

    Raises
    ------
    InputError
        If PyTorch is not installed, or the model has no such parts.

    Notes
    -----
    Batches count where gradients are enabled and the encoder is in training mode. If a batch
    is decoded several times, gradients of all calls are added. A model that is compiled as a
    whole is watched if it is compiled after this call; `torch.nn.DataParallel` cannot be
    watched (`DistributedDataParallel` can: one monitor in each process, added at the end).
    """
    framework("torch")
    if decoder is None:
        encoder, decoder = parts_of(encoder, heads=True)
    heads = encoder if isinstance(encoder, tuple | list) else (encoder,)
    scale = getattr(loss_scale, "get_scale", loss_scale)
    if not (callable(scale) or isinstance(scale, int | float)):
        raise InputError(
            f"loss_scale is {type(scale).__name__}, but a number, a GradScaler or a function that returns the number "
            "is expected.",
            "loss_scale",
        )
    return Watch(monitor, heads, decoder, spread=spread, scale=scale, data=data and len(heads) == 1)


@dataclass(eq=False)
class _Decoded:
    """One call of the decoder: ε of S samples, (S, *shape of μ), and the gradient there once it has come."""

    noise: Any
    view: View
    gradient: Any = None

    def add(self, gradient: Any) -> None:
        """Take a gradient of the decoder's input."""
        self.gradient = _sum(self.gradient, self.view(_wide(gradient)))


@dataclass(eq=False)
class _Batch:
    """One encoded batch, without its graph."""

    code: Code
    mean: Any
    log_variance: Any
    x: Any
    scale: Any
    calls: list[_Decoded] = field(default_factory=list)
    gradient: Any = None  # ∂L/∂μ
    loss_scale: float = 1.0

    def add(self, gradient: Any) -> None:
        """Take a gradient of the array that holds the mean."""
        self.gradient = _sum(self.gradient, self.code.view(_wide(gradient)))
        self.loss_scale = self.scale() if callable(self.scale) else self.scale

    @property
    def gradients(self) -> dict[str, Any]:
        """ε and gradients for the monitor; samples and calls are added, with the ε that keeps Σ ε ∂L/∂z."""
        calls = [call for call in self.calls if call.gradient is not None]
        if not calls:
            return {}
        grad_z = sum(call.gradient.sum(0) for call in calls)
        if len(calls) == len(calls[0].noise) == 1:
            epsilon = calls[0].noise[0]
        else:
            epsilon = sum((call.noise * call.gradient).sum(0) for call in calls) / grad_z
            epsilon[grad_z == 0] = 0
        finite = bool(grad_z.isfinite().all() and self.gradient.isfinite().all())
        if callable(self.scale) and not finite:  # the scaler has overflowed, and leaves this batch out
            return {}
        return {"noise": epsilon, "grad_z": grad_z, "grad_mean": self.gradient, "loss_scale": self.loss_scale}


class Watch:
    """A monitor at work on a model, until it is removed.

    Parameters
    ----------
    monitor : Monitor
        It is updated once for each batch.
    heads : sequence of modules or methods
        Those whose outputs are the posterior.
    decoder : module or method
        It is given z.
    spread : str
        What the second output is.
    scale : float or callable
        Factor on the loss.
    data : bool
        Whether the first argument of the encoder is x.
    """

    def __init__(self, monitor: Any, heads: Any, decoder: Any, *, spread: Spread, scale: Any, data: bool) -> None:
        self.monitor = monitor
        self.problem = ""  #: why the watch ended by itself, or why no price is measured
        self._torch, self._spread, self._scale, self._data = framework("torch"), spread, scale, data
        self._open: deque[_Batch] = deque(maxlen=OPEN)
        self._parts: dict[int, Any] = {}
        self._mark = object()  # of this watch, at the nodes of the graph that made the means
        self._other_noise = False  # whether it has been said
        self._unseen = 0  # updates of the model before the first batch that is encoded
        self._heads = [Tap(head, after=self._eager(partial(self._encoded, k))) for k, head in enumerate(heads)]
        self._taps = [*self._heads, Tap(decoder, before=self._eager(self._decoding))]
        self._reason = f"{self._taps[-1]!r} was not called: name what is given z, {NAMED}"
        here = weakref.WeakMethod(self._stepped)
        optimizers = framework("torch.optim.optimizer")
        hook = optimizers.register_optimizer_step_pre_hook(partial(_stepped, here))
        self._ended = weakref.finalize(self, hook.remove)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Give the monitor what has come, and put the model back as it was."""
        self.flush()
        self._end()

    def _end(self) -> None:
        self._open.clear()
        for tap in reversed(self._taps):
            tap.remove()
        self._ended()

    def flush(self) -> None:
        """Give the monitor the batches whose gradients have come."""
        ready = [batch for batch in self._open if batch.gradient is not None]
        if ready:
            self._guarded(self._hand)(ready)

    def _stepped(self, optimizer: Any) -> None:
        """Give the monitor what has come; say if the model is updated, and nothing was encoded."""
        self.flush()
        if self._unseen >= UNSEEN or self.monitor.updates:
            return
        own = {id(each) for head in self._heads for each in getattr(head.owner, "parameters", tuple)()}
        self._unseen += any(id(each) in own for group in optimizer.param_groups for each in group["params"])
        if self._unseen == UNSEEN:
            self._say(f"Nothing is known after {UNSEEN} updates: {self._heads[0]!r} was not called in training mode. "
                      f"Name what returns the posterior, {NAMED}.")  # fmt: skip

    def _hand(self, ready: list[_Batch]) -> None:
        for batch in ready:
            self._open.remove(batch)
        decoded = [batch for batch in ready if any(call.gradient is not None for call in batch.calls)]
        if not decoded:
            self._say(f"No price is measured, because {self._reason}.")
        for batch in decoded or ready:
            self.monitor.update(batch.mean, batch.log_variance, batch.x, **batch.gradients)

    def _encoded(self, head: int, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """Begin a batch, when all heads have returned."""
        torch, monitor = self._torch, self.monitor
        if not (torch.is_grad_enabled() and getattr(self._heads[head].owner, "training", True)):
            return
        if self._open:
            self.flush()
        self._parts[head] = output if monitor.due else None
        if len(self._parts) < len(self._heads):
            return
        parts, self._parts = [self._parts[k] for k in range(len(self._heads))], {}
        if not monitor.due:
            monitor.update(None, None)
            return
        with torch.no_grad():
            code = read(parts[0] if len(parts) == 1 else parts, self._spread)
            x = next((each for each in (*args, *kwargs.values()) if self._data and _is_tensor(each)), None)
            mean, spread = _wide(code.view(code.source)), log_variance(_wide(code.spread), code.kind)
            batch = _Batch(code, mean, spread, None if x is None else x.detach(), self._scale)
        if not code.source.requires_grad:  # a frozen encoder
            monitor.update(mean, spread, batch.x)
            return
        code.source.register_hook(self._guarded(batch.add))
        if code.source.grad_fn is not None:
            code.source.grad_fn.metadata[self._mark] = batch
        batch.code = Code(None, code.view, None, code.kind)  # the graph is not kept
        self._open.append(batch)

    def _decoding(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments | None:
        """Find z among what the decoder is given, and follow its gradient."""
        if not (self._open and self._torch.is_grad_enabled()):
            return None
        places: list[Any] = [k for k, each in enumerate(args) if _is_tensor(each)]
        places += [name for name, each in kwargs.items() if _is_tensor(each)]
        given = [args[each] if isinstance(each, int) else kwargs[each] for each in places]
        found: list[tuple[Any, ...]] = []
        for place, tensor in zip(places, given, strict=True):
            batch = _origin(tensor, self._mark)
            if batch in self._open:
                with self._torch.no_grad():
                    z, mean, spread = _wide(tensor), batch.mean, batch.log_variance
                    sampler = self.monitor.loss.sampler
                    views = [(view, noise(view(z), mean, spread, sampler)) for view in _views(tensor, mean)]
                found += [(place, batch, view, epsilon) for view, epsilon in views]
        if not found:
            self._reason = self._why_not(given)
            return None
        at, batch, view, epsilon = found[0] if len(found) == 1 else min(found, key=lambda each: off(each[-1]))
        call = _Decoded(epsilon, view)
        z = args[at] if isinstance(at, int) else kwargs[at]
        if z.dtype.itemsize >= 4:  # half precision rounds z by as much as a narrow σ
            self._look_at(epsilon)
        alias = z.view_as(z)  # its gradient is the decoder's alone
        alias.register_hook(self._guarded(call.add))
        batch.calls.append(call)
        if isinstance(at, int):
            return (*args[:at], alias, *args[at + 1 :]), kwargs
        return args, {**kwargs, at: alias}

    def _look_at(self, epsilon: Any) -> None:
        """Say once if ε, as the loss states the sampler, has another mean square than 1."""
        square = float((epsilon * epsilon).mean())
        sure = abs(square - 1) > limits.OTHER_NOISE + limits.SURELY * (2 / epsilon.numel()) ** 0.5
        if sure and square and not self._other_noise:  # means may be decoded too
            self._other_noise = True
            self._say(f"What the decoder is given is not μ + σε: (z − μ)/σ has the mean square {square:.3g}, and 1 is "
                      "expected, so that the price in effect is another. Check that z is drawn with "
                      "exp(log_variance / 2), what spread= says, and whether anything lies between z and the decoder. "
                      "If it is meant, state it: Loss(…, sampler=Sampler(…)).")  # fmt: skip

    def _why_not(self, given: list[Any]) -> str:
        """Return why none of the decoder's inputs is z."""
        shapes = ", ".join(str(tuple(each.shape)) for each in given)
        if any(_origin(each, self._mark) in self._open for each in given):
            z = tuple(self._open[-1].mean.shape)
            return f"none of the decoder's inputs, of shape {shapes}, holds z of shape {z}: name both, {NAMED}"
        return "the decoder's input carries no gradient back to the mean: z was detached, or drawn without a gradient"

    def _guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function such that its failure ends the watch and not the training."""

        def call(*args: Any) -> Any:
            try:
                return function(*args)
            except Exception as failure:
                self._end()
                self._say(f"The model is not watched any longer: {failure}")
                return None

        return call

    def _eager(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the guarded function, which a compiler of the model is to leave alone."""
        guarded, compiling = self._guarded(function), self._torch.compiler.is_compiling
        alone = self._torch._disable_dynamo(guarded)
        return lambda *args: alone(*args) if compiling() else guarded(*args)

    def _say(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            warnings.warn(problem, MonitorWarning, stacklevel=2)


def _stepped(method: Any, optimizer: Any, *_: object) -> None:
    stepped = method()
    if stepped is not None:
        stepped(optimizer)


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "requires_grad") and hasattr(value, "dtype") and value.ndim > 0


def _wide(tensor: Any) -> Any:
    """Return a tensor without its graph, in single precision at least."""
    tensor = tensor.detach()
    return tensor if tensor.dtype.itemsize >= 4 else tensor.float()


def _origin(tensor: Any, mark: object) -> Any:
    """Return the batch whose mean a tensor was made of, as its graph says; None if it was not."""
    nodes, seen = deque([tensor.grad_fn]), set[Any]()
    while nodes and len(seen) < STEPS:
        node = nodes.popleft()
        if node is None or node in seen:
            continue
        if (batch := node.metadata.get(mark)) is not None:
            return batch
        seen.add(node)
        nodes.extend(function for function, _ in node.next_functions)
    return None


def _sum(before: Any, new: Any) -> Any:
    return new if before is None else before + new


def _views(tensor: Any, mean: Any) -> list[View]:
    """Return the ways in which a tensor may hold S samples of z, each as (S, *shape of μ)."""
    views: list[View] = []
    shape, axis = tuple(mean.shape), channels(mean)
    samples, rest = divmod(tensor.numel(), mean.numel())
    if samples and not rest and (tensor.shape[0] in (shape[0], samples * shape[0], samples)):
        views.append(lambda whole: whole.reshape(samples, *shape))
        if samples > 1:
            views.append(lambda whole: whole.reshape(shape[0], samples, *shape[1:]).movedim(1, 0))
    if tensor.ndim == mean.ndim and tensor.shape[:axis] == shape[:axis] and tensor.shape[axis] > shape[axis]:
        views.append(lambda whole: cut(whole, None, shape[axis])[None])
        views.append(lambda whole: cut(whole, -shape[axis], None)[None])
    return views
