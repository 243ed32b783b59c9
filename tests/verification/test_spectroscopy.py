"""`spectroscopy` on trainings of someone's own: `fit` by exact models, one in JAX, and all that can go wrong."""

from dataclasses import replace

import numpy as np
import pytest

import landau_vae as lv
from landau_vae import InputError, Loss
from landau_vae.training import trained_model
from landau_vae.verification._spectroscopy import spectroscopy

BETAS = np.geomspace(3.0, 0.01, 14)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    white = rng.standard_normal((400, 3))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(white.T @ white / 400)).T
    return white * np.sqrt([4.0, 1.0, 0.2]) + [1.0, -2.0, 0.0]


def exact(rows, calls=None):
    """fit(beta, seed): the exact linear model at τ = β."""

    def fit(beta, seed):
        if calls is not None:
            calls.append((beta, seed))
        scan = lv.scan(rows, [beta / rows.var(axis=0).sum()], latents=3, seeds=[seed])
        model = trained_model(scan, 1.0)
        return *model.encode(rows), model.decode

    return fit


def test_it_is_the_spectroscopy_of_a_scan(rows):
    """The same models through `fit` and through `scan`: the same observables, to the noise of drawn reconstructions."""
    found = spectroscopy(exact(rows), BETAS, data=rows)
    total = rows.var(axis=0).sum()
    scan = lv.scan(rows, np.sort(BETAS) / total, latents=3)
    np.testing.assert_allclose(found.scan.temperature, scan.temperature, rtol=1e-12)
    for name in ("signal_fraction", "rate"):
        ours, theirs = (np.sort(each[name].values[0], axis=1) for each in (found.scan, scan))
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    of_means = [each.pruned_distortion.sel(reconstruction="mean").values for each in (found.scan, scan)]
    np.testing.assert_allclose(*of_means, atol=1e-6)
    np.testing.assert_allclose(found.onset, np.array([4.0, 1.0, 0.2]) / 5.2, rtol=1e-3)
    assert found.identity > 0.999
    assert "of 3 ranks resolved" in repr(found)


@pytest.mark.parametrize("kind", ["variance", "standard_deviation", "log_variance"])
def test_posteriors_by_name(rows, kind):
    def fit(beta, seed):
        mean, log_variance, decode = exact(rows)(beta, seed)
        spread = {"variance": np.exp(log_variance), "standard_deviation": np.exp(log_variance / 2)}
        return {"mean": mean, kind: spread.get(kind, log_variance), "decode": decode}

    plain, named = (spectroscopy(each, BETAS[:3], data=rows).scan for each in (exact(rows), fit))
    np.testing.assert_allclose(named.rate, plain.rate, atol=1e-9)


def test_without_a_decoder_there_are_rates_but_no_utilities(rows):
    found = spectroscopy(lambda beta, seed: exact(rows)(beta, seed)[:2], BETAS, data=rows)
    assert np.isnan(found.best[1:]).all()
    np.testing.assert_allclose(found.onset, np.array([4.0, 1.0, 0.2]) / 5.2, rtol=1e-3)
    assert "decode" in found.summary()


def test_an_interrupted_call_goes_on_where_it_stopped(rows, tmp_path):
    """Nothing is trained twice, and the numbers are those of one call."""
    calls = []

    def dies(beta, seed):
        if len(calls) == 4:
            raise KeyboardInterrupt
        return exact(rows, calls)(beta, seed)

    with pytest.raises(KeyboardInterrupt):
        spectroscopy(dies, BETAS, data=rows, folder=tmp_path)
    again = spectroscopy(exact(rows, calls), BETAS, data=rows, folder=tmp_path)
    assert len(calls) == len(set(calls)) == BETAS.size
    assert again.scan.equals(spectroscopy(exact(rows), BETAS, data=rows).scan)
    spectroscopy(exact(rows, calls), [*BETAS, 0.005], data=rows, folder=tmp_path)  # a wider grid: one more
    assert len(calls) == BETAS.size + 1
    with pytest.raises(InputError, match="other data, or with another loss"):
        spectroscopy(exact(rows), BETAS, data=rows, loss=Loss.gaussian(half=False), folder=tmp_path)


@pytest.mark.parametrize(("start", "order"), [("down", -1), ("up", 1)])
def test_warm_starts_hand_the_state_on(rows, tmp_path, start, order):
    """In order of β, and across an interruption; the first model of each seed starts fresh."""
    seen = []

    def fit(beta, seed, start=None):
        seen.append((beta, None if start is None else float(start["beta"])))
        return *exact(rows)(beta, seed), {"beta": np.array(beta)}

    spectroscopy(fit, BETAS[:4], data=rows, seeds=[0, 1], start=start, folder=tmp_path)
    expected = sorted(BETAS[:4], reverse=order < 0)
    chain = list(zip(expected, [None, *expected[:-1]], strict=True))
    assert seen == chain * 2
    (tmp_path / f"fit-1-{expected[-1].hex()}.npz").unlink()
    spectroscopy(fit, BETAS[:4], data=rows, seeds=[0, 1], start=start, folder=tmp_path)
    assert seen[8:] == chain[-1:]


def test_other_losses_and_their_prices(rows):
    """A mean over features halves β's effect: the same T at another β."""
    loss = Loss.gaussian(reconstruction="mean", half=False)
    spectrum = lv.Spectrum.from_data(rows)
    fit = lambda beta, seed: exact(rows)(float(replace(loss, beta=beta).price(spectrum)), seed)  # noqa: E731
    found = spectroscopy(fit, BETAS[:3] / 3, data=rows, loss=loss)
    np.testing.assert_allclose(found.scan.temperature, np.sort(BETAS[:3] / 3) * 3 / 2 / 5.2, rtol=1e-9)


def failing(rows, what):
    """A `fit` that does something wrong at the third model."""
    count = [0]

    def fit(beta, seed):
        count[0] += 1
        mean, log_variance, decode = exact(rows)(beta, seed)
        if count[0] < 3:
            return mean, log_variance, decode
        return {
            "raises": lambda: 1 / 0,
            "text": lambda: "done",
            "names": lambda: {"mean": mean},
            "rows": lambda: (mean[:5], log_variance[:5]),
            "shapes": lambda: (mean, log_variance[:, :1]),
            "decoder": lambda: (mean, log_variance, lambda z: z),
            "raising decoder": lambda: (mean, log_variance, lambda z: z[0, 99]),
        }[what]()

    return fit


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("raises", "raised ZeroDivisionError"), ("text", "returned 'done', but"), ("names", "with mean, but"),
        ("rows", r"returned mean \(5, 3\)"), ("shapes", r"log_variance \(400, 1\)"),
        ("decoder", r"returned shape \(400, 3\)|raised"), ("raising decoder", r"decode of fit.* raised IndexError"),
    ],
)  # fmt: skip
def test_a_fit_that_fails_is_named_and_the_rest_is_kept(rows, what, complaint):
    if what == "decoder":
        rows = np.hstack([rows, rows[:, :1]])
    with pytest.raises(InputError, match=complaint) as caught:
        spectroscopy(failing(rows, what), BETAS[:4], data=rows)
    assert "beta=" in str(caught.value)
    assert caught.value.partial.sizes["temperature"] == 2


@pytest.mark.parametrize("betas", [[], [1.0, 1.0], [0.0], [np.nan], "ten", [[1.0]]])
def test_bad_betas(rows, betas):
    with pytest.raises(InputError, match="betas"):
        spectroscopy(exact(rows), betas, data=rows)


def test_a_fit_without_start_cannot_be_swept(rows):
    with pytest.raises(InputError, match="takes no argument start"):
        spectroscopy(exact(rows), BETAS, data=rows, start="down")


def test_a_model_that_diverged_is_left_out(rows):
    def fit(beta, seed):
        mean, log_variance, decode = exact(rows)(beta, seed)
        return (mean * np.nan if beta == BETAS[0] else mean), log_variance, decode

    assert spectroscopy(fit, BETAS, data=rows).diverged == 1


def test_a_model_in_jax(rng):
    """Thirty lines of someone's own JAX: one hidden layer, Adam, each model started from its neighbour."""
    jax = pytest.importorskip("jax")
    import optax
    from jax import numpy as jnp

    rows = (rng.standard_normal((2000, 3)) * [2.0, 1.0, 0.45]).astype(np.float32)
    x = jnp.asarray(rows)

    def first(key):
        shapes = {"e": (3, 16), "m": (16, 3), "s": (16, 3), "d": (3, 16), "o": (16, 3)}
        keys = jax.random.split(key, len(shapes))
        return {name: 0.3 * jax.random.normal(k, shape) for k, (name, shape) in zip(keys, shapes.items(), strict=True)}

    def encode(weights, x):
        hidden = jnp.tanh(x @ weights["e"])
        return hidden @ weights["m"], hidden @ weights["s"]

    def decode(weights, z):
        return jnp.tanh(jnp.asarray(z, jnp.float32) @ weights["d"]) @ weights["o"]

    rule = optax.adam(optax.cosine_decay_schedule(1e-2, 3000))

    def loss(weights, key, beta):
        batch = x[jax.random.randint(key, (256,), 0, len(x))]
        mean, log_variance = encode(weights, batch)
        z = mean + jnp.exp(log_variance / 2) * jax.random.normal(jax.random.fold_in(key, 1), mean.shape)
        rate = 0.5 * (mean**2 + jnp.exp(log_variance) - 1 - log_variance).sum(1)
        return (0.5 * jnp.square(batch - decode(weights, z)).sum(1) + beta * rate).mean()

    @jax.jit
    def train(weights, key, beta):
        def update(carry, key):
            weights, memory = carry
            step, memory = rule.update(jax.grad(loss)(weights, key, beta), memory)
            return (optax.apply_updates(weights, step), memory), None

        return jax.lax.scan(update, (weights, rule.init(weights)), jax.random.split(key, 3000))[0][0]

    def fit(beta, seed, start=None):
        key = jax.random.key(seed)
        weights = train(first(key) if start is None else start, key, beta)
        return *encode(weights, x), lambda z: decode(weights, z), weights

    found = spectroscopy(fit, np.geomspace(3, 0.03, 8), data=rows, start="down")
    assert found.resolved[:2].all()
    # Gaussian rows: no network shifts an onset. What 3 000 updates leave is below 0.1 nat, 20 % of T_c.
    np.testing.assert_allclose(found.onset[:2], rows.var(axis=0)[:2] / rows.var(axis=0).sum(), rtol=0.2)
