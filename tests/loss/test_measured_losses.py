"""What measuring a loss reads, and the losses that it refuses: each by the sentence that says why."""

from types import SimpleNamespace

import numpy as np
import pytest
from conftest import CLOSED

from landau_vae import Loss, Spectrum
from landau_vae.errors import InputError
from landau_vae.likelihoods import BERNOULLI, GAUSSIAN
from landau_vae.loss._measure import measure
from landau_vae.loss.probes import candidates

D, K, B = 12, 4, 8
MEASURED = 1e-6  # what the measurement promises in double precision
SINGLE = 1e-3  # and in single precision, whose sums round at 1e-6 and whose changes are 1e-3 of them


def kl(mean, log_variance):
    return 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)


def squares(x, x_hat):
    return ((x - x_hat) ** 2).reshape(len(x), -1).sum(axis=1).mean()


def bce(x, p):
    return -x * np.log(p) - (1 - x) * np.log(1 - p)


def rate(mean, log_variance):
    return kl(mean, log_variance).sum(axis=1).mean()


def plain(x, x_hat, mean, log_variance):
    return squares(x, x_hat) + 3 * rate(mean, log_variance)


def read(function, features=D, latents=K, batch=B, beta=None, parametrisation=None, to=None, like=None):
    probes = candidates(function, like, features, latents, batch, beta, parametrisation, to)
    return measure(probes, beta=beta)


def with_error(error):
    return lambda x, x_hat, mean, log_variance: error(x, x_hat) + rate(mean, log_variance)


def with_rate(charge):
    return lambda x, x_hat, mean, log_variance: squares(x, x_hat) + charge(mean, log_variance)


# ---------------------------------------------------------------------------------------- readings


@pytest.mark.parametrize("error_over", ["mean", "sum"])
@pytest.mark.parametrize("rate_over", ["mean", "sum"])
@pytest.mark.parametrize("latents_over", ["mean", "sum"])
@pytest.mark.parametrize("features_over", ["mean", "sum"])
@pytest.mark.parametrize("factor", [0.5, 1.0, 7.0])
def test_all_reductions(factor, features_over, latents_over, rate_over, error_over):
    """What is read is what was written, and the KL's weight counts the batch where only one term does."""

    def loss(x, x_hat, mean, log_variance):
        error = getattr(getattr((x - x_hat) ** 2, features_over)(axis=1), error_over)()
        return factor * error + 0.3 * getattr(getattr(kl(mean, log_variance), latents_over)(axis=1), rate_over)()

    found = read(loss)
    assert (found.reconstruction, found.kl, found.half) == (features_over, latents_over, factor == 0.5)
    assert found.reconstruction_weight == (7.0 if factor == 7.0 else 1.0)
    batches = {("mean", "sum"): B, ("sum", "mean"): 1 / B}.get((error_over, rate_over), 1.0)
    assert found.kl_weight == pytest.approx(0.3 * batches, rel=MEASURED)
    assert any("depends on the batch" in note for note in found.notes) == (batches != 1.0)


@pytest.mark.parametrize(
    ("error", "likelihood", "link"),
    [
        (lambda x, x_hat: (x - x_hat) ** 2, "gaussian", "reconstruction"),
        (bce, "bernoulli", "probabilities"),
        (lambda x, h: np.logaddexp(0, h) - x * h, "bernoulli", "logits"),
        (lambda x, h: (x - 1 / (1 + np.exp(-h))) ** 2, "gaussian", "logits"),
        (lambda x, m: m - x * np.log(m), "poisson", "means"),
        (lambda x, h: np.exp(h) - x * h, "poisson", "log-means"),
    ],
)
def test_what_x_hat_is(error, likelihood, link):
    found = read(lambda x, x_hat, *rest: error(x, x_hat).sum(axis=1).mean() + 2 * rate(*rest))
    assert (found.likelihood.name, found.link) == (likelihood, link)
    assert (found.reconstruction, found.reconstruction_weight, found.half) == ("sum", 1.0, False)
    assert found.kl_weight == pytest.approx(2.0, rel=MEASURED)


@pytest.mark.parametrize(
    ("error", "top", "likelihood", "link"),
    [
        (bce, 1, "bernoulli", "probabilities"),
        (lambda x, h: np.logaddexp(0, h) - x * h, 1, "bernoulli", "logits"),
        (lambda x, m: m - x * np.log(m), np.inf, "poisson", "means"),
        (lambda x, h: np.exp(h) - x * h, np.inf, "poisson", "log-means"),
    ],
)
def test_those_that_insist_on_whole_numbers(error, top, likelihood, link):
    """As torch.distributions does when it validates."""

    def strict(x, x_hat, *rest):
        if np.any(x != np.round(x)) or x.max() > top:
            raise ValueError("outside the support")
        return error(x, x_hat).sum() + rate(*rest) * len(x)

    found = read(strict)
    assert (found.likelihood.name, found.link, found.kl_weight) == (likelihood, link, pytest.approx(1.0, rel=MEASURED))


@pytest.mark.parametrize("guard", [1e-8, 1e-7])
def test_guarded_logarithms(guard):
    found = read(with_error(lambda x, p: bce(x, p * (1 - 2 * guard) + guard).sum(axis=1).mean()))
    assert found.likelihood is BERNOULLI
    assert found.reconstruction_weight == pytest.approx(1.0, rel=SINGLE)


@pytest.mark.parametrize("scale", [0.5, 7.0])
@pytest.mark.parametrize(("features_over", "batch_over"), [("sum", "sum"), ("sum", "mean"), ("mean", "mean")])
def test_variance_that_is_the_current_error(scale, features_over, batch_over):
    """½ d ln MSE, summed or averaged: the weight is the one at σ² = 1."""

    def loss(x, x_hat, mean, log_variance):
        count = (D if features_over == "sum" else 1) * (len(x) if batch_over == "sum" else 1)
        count = count * x[0].size / D if features_over == "sum" else count
        nats = kl(mean, log_variance).sum(axis=1)
        return scale * count * np.log(np.mean((x - x_hat) ** 2)) + getattr(nats, batch_over)()

    found = read(loss)
    assert (found.decoder_variance, found.reconstruction) == ("learned", features_over)
    assert (found.half, found.reconstruction_weight) == (scale == 0.5, 1.0 if scale == 0.5 else 7.0)
    assert found.kl_weight == pytest.approx(1.0, rel=MEASURED)


def test_images_and_an_axis_that_is_averaged():
    """keras-io with channels first, then an image whose every pixel is averaged."""
    found = read(with_error(lambda x, p: bce(x, p).mean(axis=1).sum(axis=(1, 2)).mean()), features=(3, 4, 5))
    assert (found.reconstruction, found.reconstruction_weight) == ("sum", pytest.approx(1 / 3, rel=MEASURED))
    assert any("averaged over axes of size 3" in note for note in found.notes)
    found = read(with_error(lambda x, x_hat: ((x - x_hat) ** 2).mean()), features=(1, 4, 5))
    assert (found.reconstruction, found.reconstruction_weight, found.half) == ("mean", 1.0, False)
    found = read(with_error(lambda x, x_hat: squares(x.reshape(-1, 20), x_hat.reshape(-1, 20))), features=(1, 4, 5))
    assert (found.reconstruction, found.reconstruction_weight) == ("sum", 1.0)  # more features become more rows there


@pytest.mark.parametrize(
    ("reduce", "reconstruction", "weight"), [("mean", "mean", 1.0), ("sum", "sum", 1.0), (None, "sum", 0.7)]
)
def test_functions_that_take_one_size_only(reduce, reconstruction, weight):
    def rigid(x, x_hat, mean, log_variance):
        if x.shape != (B, D) or mean.shape != (B, K):
            raise ValueError("wrong size")
        error = ((x - x_hat) ** 2).sum(axis=1) * 0.7 if reduce is None else getattr((x - x_hat) ** 2, reduce)(axis=1)
        return error.sum() + 2 * kl(mean, log_variance).sum()

    found = read(rigid)
    assert (found.reconstruction, found.reconstruction_weight) == (reconstruction, weight)
    assert found.kl_weight / found.reconstruction_weight == pytest.approx(2 / weight, rel=MEASURED)
    assert any("takes arrays of this size only" in note for note in found.notes)
    assert any(f"other batches than {B}" in note for note in found.notes)


@pytest.mark.parametrize(("size", "batch"), [(600, 8), (40_000, 1)])
@pytest.mark.parametrize("error", ["squares", "probabilities", "logits"])
def test_single_precision(error, size, batch):
    """Single features are lost in a cross-entropy of thousands of nats, but parts of the array are not."""
    charge = {
        "squares": lambda x, x_hat: (x - x_hat) ** 2,
        "probabilities": bce,
        "logits": lambda x, h: np.logaddexp(np.float32(0), h) - x * h,
    }[error]

    def loss(*given):
        x, x_hat, mean, log_variance = (each.astype(np.float32) for each in given)
        return charge(x, x_hat).sum() + np.float32(2) * kl(mean, log_variance).sum()

    found = read(loss, features=size, batch=batch)
    assert found.likelihood is (GAUSSIAN if error == "squares" else BERNOULLI)
    assert (found.reconstruction, found.reconstruction_weight) == ("sum", pytest.approx(1.0, rel=SINGLE))
    assert found.kl_weight == pytest.approx(2.0, rel=SINGLE)
    # squares vanish where x̂ = x, so that single precision costs them 1e-7 only
    assert any("single precision" in note for note in found.notes) == (error != "squares")


def test_single_precision_that_hides_the_kl():
    def loss(*given):
        x, p, mean, log_variance = (each.astype(np.float32) for each in given)
        return bce(x, p).sum() + np.float32(1e-4) * kl(mean, log_variance).sum()

    found = read(loss, features=5000)
    assert found.kl_weight == pytest.approx(1e-4, rel=SINGLE)
    assert any("lost in rounding" in note for note in found.notes)


@pytest.mark.parametrize(("size", "batch", "latents"), [(1, 1, 1), (1, 3, 2), (5, 1, 1)])
def test_smallest_sizes(size, batch, latents):
    found = read(plain, features=size, batch=batch, latents=latents)
    assert (found.reconstruction, found.kl, found.kl_weight) == ("sum", "sum", pytest.approx(3.0, rel=MEASURED))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: (value, "the error", "the KL"),
        lambda value: [np.array(value)],
        lambda value: {"loss": value, "kl": 0.0},
        lambda value: SimpleNamespace(loss=np.array([value])),
        np.float32,
    ],
)
def test_what_is_returned(wrap):
    assert read(lambda *given: wrap(plain(*given))).kl_weight == pytest.approx(3.0, rel=SINGLE)


def test_arrays_of_another_framework():
    class Tensor:
        def __init__(self, values):
            self.values = values

    given = []

    def loss(*tensors):
        given.append(all(isinstance(each, Tensor) for each in tensors))
        return plain(*(each.values for each in tensors))

    assert read(loss, to=Tensor).kl_weight == 3.0
    assert all(given)


def test_arrays_may_be_worked_on_in_place():
    def careless(x, x_hat, mean, log_variance):
        nats = rate(mean, log_variance)
        x_hat -= x
        mean *= 0
        return (x_hat**2).sum(axis=1).mean() + 3 * nats

    assert read(careless).kl_weight == 3.0


def test_what_depends_on_x_alone_does_not_matter():
    assert read(lambda x, *rest: plain(x, *rest) + 100 * np.sin(x).sum() - 7).kl_weight == 3.0


@pytest.mark.parametrize(
    ("spread", "log_variance"),
    [
        ("log_variance", lambda s: s),
        ("variance", np.log),
        ("std", lambda s: 2 * np.log(s)),
        ("log_std", lambda s: 2 * s),
    ],
)
def test_spreads(spread, log_variance):
    """Each is read as itself, and found out where it is said to be another one."""

    def loss(x, x_hat, mean, given):
        return plain(x, x_hat, mean, log_variance(given))

    assert read(loss, parametrisation=spread).kl_weight == pytest.approx(3.0, rel=MEASURED)
    for said in {"log_variance", "variance", "std", "log_std"} - {spread}:
        with pytest.raises(InputError, match=f"as {spread}, not as {said}: give parametrisation='{spread}'"):
            read(loss, parametrisation=said)


def test_loss_says_what_was_found():
    spectrum = Spectrum.from_eigenvalues(np.ones(D))
    loss = Loss.measure(lambda x, x_hat, *rest: squares(x, x_hat) + kl(*rest).sum(), features=D, latents=K, batch=B)
    first, *notes = loss.explain(spectrum).split(").\n")
    assert "One squared unit costs a = 1" in first
    assert "no ½" in notes[0]
    assert f"counts {B}-fold" in notes[0]
    assert Loss.from_dict(loss.to_dict()).notes == loss.notes
    assert float(loss.price(spectrum)) == pytest.approx(B / 2, rel=MEASURED)


def test_beta_is_told_apart_from_further_weights():
    loss = Loss.measure(plain, features=D, latents=K, beta=1.5)
    assert (float(loss.beta), loss.kl_weight) == (1.5, pytest.approx(2.0, rel=CLOSED))
    assert Loss.measure(plain, features=D, latents=K, beta=3).kl_weight == 1.0
    third = Loss.measure(with_rate(lambda *q: rate(*q) / 3), features=D, latents=K, beta=1 / 3)
    assert third.formula == "Σ(x − x̂)² + β Σ KL"


# ------------------------------------------------------------------------------------ refused errors


def feature_space(x, x_hat):
    projector = np.random.default_rng(0).standard_normal((x.shape[1], 5))
    return np.sum((np.tanh(x @ projector) - np.tanh(x_hat @ projector)) ** 2)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            lambda x, x_hat: (10 * (x - x_hat) ** 2 + np.abs(x - x_hat)).sum(),
            "between an absolute error and a squared one",
        ),
        (lambda x, x_hat: np.logaddexp(x - x_hat, x_hat - x).sum(), "line far from it, but not a Huber.* log-cosh"),
        (lambda x, x_hat: np.sqrt(np.mean((x - x_hat) ** 2)), "root of a squared error"),
        (lambda x, x_hat: np.linalg.norm(x - x_hat, axis=1).mean(), "root of a squared error"),
        (feature_space, "not a sum over features.* feature-space"),
        (
            lambda x, x_hat: np.sum((x - x_hat) ** 2 * np.linspace(1, 2, len(x))[:, None]),
            "weight differs among samples",
        ),
        (lambda x, x_hat: np.sum((x - np.clip(x_hat, 0, 1)) ** 2), "not far from it.* clipped"),
        (lambda x, x_hat: np.sum((255 * x - x_hat) ** 2), "not least at x̂ = x.* same scale"),
        (lambda x, p: bce(p, x).sum(), "takes x̂ before x"),
        (lambda x, x_hat: np.sum((x - x_hat) ** 4), r"grows as \|x − x̂\|\^4"),
        (lambda x, x_hat: np.sum(x**2), "does not depend on x̂"),
        (lambda x, x_hat: np.exp(-np.sum((x - x_hat) ** 2)) + 0 * np.sqrt(x_hat).sum(), "falls when x̂ leaves x"),
        (lambda x, x_hat: np.maximum((x - x_hat) ** 2 - 0.1, 0).sum(), "does not grow with the distance"),
        (lambda x, x_hat: np.log(np.mean((x - x_hat) ** 2 + 1e-9, axis=1)).sum(), "every sample or feature of its own"),
        (lambda x, x_hat: np.sum((x - x_hat) ** 2) + np.inf, "not finite where x̂ equals x"),
        (lambda x, x_hat: (np.sum((x - x_hat) ** 2), 1 / 0), r"raised ZeroDivisionError \(division by zero\)"),
    ],
)
def test_refused_errors(error, words):
    with pytest.raises(InputError, match=words):
        read(with_error(error))


# --------------------------------------------------------------------------------------- refused KLs


def mmd(mean, log_variance):
    near = np.exp(-((mean[:, None] - mean[None]) ** 2).sum(axis=-1))
    return near.mean() - 2 * np.exp(-(mean**2).sum(axis=1) / 3).mean() + 0.1 * rate(mean, log_variance)


@pytest.mark.parametrize(
    ("charge", "words"),
    [
        (lambda m, s: 0.0 * rate(m, s), "KL is missing, has weight 0 or is clamped at 0"),
        (lambda m, s: 1.0, "does not change with the posterior"),
        (lambda m, s: -rate(m, s), "negative sign.* turn its sign"),
        (lambda m, s: 0.5 * np.sum(m**2), "does not depend on the log_variance: it is a penalty on the mean"),
        (lambda m, s: 0.5 * np.sum(np.exp(s) - 1 - s), "does not depend on the mean"),
        (mmd, "not a sum over rows of the batch .*MMD"),
        (lambda m, s: np.sqrt(1 + (m**2).sum(axis=1)).sum() + rate(m, s), "not a sum over latents"),
        (lambda m, s: rate(m, s) + 0.1 * np.sum(s**2), "not a multiple of its KL"),
        (lambda m, s: rate(s, m), "takes the log_variance before the mean"),
        (lambda m, s: rate(m, s) if np.all(m == 0) else np.nan, "not finite, or raises, where the posterior leaves"),
        (lambda m, s: np.minimum(rate(m, s), 5.0), "stops growing at about 5 nats"),
    ],
)
def test_refused_rates(charge, words):
    with pytest.raises(InputError, match=words):
        read(with_rate(charge))


def test_kl_whose_weight_follows_the_error():
    with pytest.raises(InputError, match="weight of the KL depends on the reconstruction error"):
        read(lambda x, x_hat, *rest: squares(x, x_hat) + (1 + squares(x, x_hat)) * rate(*rest))


def test_beta_that_warms_up_by_itself():
    calls = []

    def loss(x, x_hat, *rest):
        calls.append(1)
        return squares(x, x_hat) + len(calls) / 1000 * rate(*rest)

    with pytest.raises(InputError, match="counts its calls"):
        read(loss)


@pytest.mark.parametrize("free", [0.03, 0.5, 4.0])
@pytest.mark.parametrize(
    ("charge", "per"),
    [
        (lambda m, s, free: np.maximum(kl(m, s).mean(axis=0), free).sum(), "latent"),
        (lambda m, s, free: np.maximum(kl(m, s).sum(axis=1), free).mean(), "sample"),
        (lambda m, s, free: np.maximum(rate(m, s), free), "mean"),
        (lambda m, s, free: 0.01 * np.maximum(rate(m, s) - free, 0), "mean"),
    ],
)
def test_free_bits(charge, per, free):
    """λ and the weight come from far larger rates, where the charge is a line: they are good to rounding."""
    found = read(with_rate(lambda m, s: charge(m, s, free)))
    assert (found.constraint.kind, found.constraint.per) == ("hinge", per)
    assert found.constraint.value == pytest.approx(free, rel=MEASURED)
    assert found.kl_weight in (1.0, 0.01)


@pytest.mark.parametrize("capacity", [1e-3, 1.0, 25.0])
@pytest.mark.parametrize("weight", [0.01, 1000.0])
@pytest.mark.parametrize(("kind", "shape"), [("absolute", np.abs), ("square", np.square)])
@pytest.mark.parametrize("per", ["mean", "sample"])
def test_capacity(per, kind, shape, weight, capacity):
    """Burgess et al.'s γ|KL − C|, and its square."""

    def charge(m, s):
        rows = kl(m, s).sum(axis=1)
        return weight * (shape(rows.mean() - capacity) if per == "mean" else shape(rows - capacity).mean())

    found = read(with_rate(charge))
    assert (found.constraint.kind, found.constraint.per) == (kind, per)
    assert found.constraint.value == pytest.approx(
        capacity, rel=1e-5
    )  # "neat" rounds to four digits that are within it
    assert found.kl_weight == pytest.approx(weight, rel=MEASURED)


def test_free_bits_of_every_sample_and_latent():
    """No law is known for them."""
    with pytest.raises(InputError, match="nats of each latent of each sample"):
        read(with_rate(lambda m, s: np.maximum(kl(m, s), 0.5).sum(axis=1).mean()))


# -------------------------------------------------------------------------------------- bad arguments


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"function": 3}, "function is 3, but a function is expected"),
        ({"to": "torch"}, "to is 'torch', but a function"),
        ({"features": 0}, "features is 0, but a whole number from 1 on or a list"),
        ({"features": ()}, "features is empty"),
        ({"features": (3, 0)}, r"features is \(3, 0\)"),
        ({"features": 2.5}, "features is 2.5"),
        ({"features": "784"}, "features is '784'"),
        ({"features": True}, "features is True"),
        ({"latents": "a"}, "latents is 'a', but a whole number"),
        ({"latents": 0}, "latents is 0"),
        ({"batch": -1}, "batch is -1"),
        ({"parametrisation": "sigma"}, "parametrisation is 'sigma', but 'log_variance', 'variance', 'std' or"),
        ({"to": lambda array: array.nothing}, "raised AttributeError"),
    ],
)
def test_bad_arguments(more, words):
    with pytest.raises(InputError, match=words):
        Loss.measure(**{"function": plain, "features": D, "latents": K} | more)


@pytest.mark.parametrize("beta", [0, -1.0, np.nan, "4", [1.0, 2.0]])
def test_bad_beta(beta):
    with pytest.raises(InputError, match="beta is"):
        Loss.measure(plain, features=D, latents=K, beta=beta)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (np.ones(3), r"an array of shape \(3,\)"),
        (None, "a NoneType"),
        ("3.0", "a str"),
        ((), "a tuple"),
        (1j, "a complex"),
    ],
)
def test_results_that_are_no_number(result, words):
    with pytest.raises(InputError, match=f"returned {words}, but the loss of a whole batch"):
        read(lambda *given: result)


def test_exception_of_the_function_is_kept():
    def broken(x, x_hat, mean, log_variance):
        raise KeyError("kl_weight")

    with pytest.raises(InputError, match=r"raised KeyError \('kl_weight'\) for x and x̂ of shape \(8, 12\)"):
        read(broken)


def test_without_a_beta_all_are_multiples_of_the_weight_that_the_kl_has():
    """The function runs at 0.25; whoever does not say so is told ratios, and that they are."""

    def mine(x, x_hat, mean, log_variance):
        kl = -0.5 * (1 + log_variance - mean**2 - np.exp(log_variance)).sum()
        return (((x - x_hat) ** 2).sum() + 0.25 * kl) / len(x)

    silent = Loss.measure(mine, features=6, latents=2)
    told = Loss.measure(mine, features=6, latents=2, beta=0.25)
    assert (float(silent.beta), silent.knob) == (1.0, "β/β_now")
    assert "multiples of the weight that the KL has now" in silent.explain(Spectrum.from_eigenvalues(np.ones(6)))
    assert float(silent.charge(6)) == pytest.approx(float(told.charge(6)))
    assert (float(told.beta), told.knob) == (0.25, "β")
