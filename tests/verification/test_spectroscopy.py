"""`spectroscopy` on trainings of someone's own: `fit` by exact models, one in JAX, and all that can go wrong."""

from dataclasses import replace

import numpy as np
import pytest
from filelock import FileLock

import landau_vae as lv
from landau_vae import InputError, Loss
from landau_vae.verification._spectroscopy import spectroscopy

BETAS = np.geomspace(3.0, 0.01, 14)
LAMBDA = np.array([4.0, 1.0, 0.2])
ONSETS = LAMBDA / LAMBDA.sum()


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    white = rng.standard_normal((400, 3))
    white -= white.mean(axis=0)
    white = white @ np.linalg.inv(np.linalg.cholesky(white.T @ white / 400)).T
    return white * np.sqrt(LAMBDA) + [1.0, -2.0, 0.0]


def exact(rows, calls=None):
    """fit(beta, seed): the exact linear model at τ = β, whose latents are the columns."""

    def fit(beta, seed):
        if calls is not None:
            calls.append((beta, seed))
        decoder, middle = np.sqrt(np.maximum(0, LAMBDA - beta)), rows.mean(axis=0)
        mean = (rows - middle) * decoder / np.maximum(beta, LAMBDA)
        variance = np.broadcast_to(np.minimum(1, beta / LAMBDA), rows.shape)
        return mean, np.log(variance), lambda z: middle + z * decoder

    return fit


def named(fit):
    """The same with what it returns in a dictionary, and a learned σ_dec² of τ/β for the loss ½(x − x̂)²/σ² + β KL."""
    return lambda beta, seed: (
        dict(zip(("mean", "log_variance", "decode"), fit(beta**2, seed), strict=True))
        | {"decoder_variance": np.array([beta])}
    )


def test_it_is_the_spectroscopy_of_a_scan(rows):
    """The same models through `fit` and through `scan`: the same observables, to the noise of drawn reconstructions."""
    found = spectroscopy(exact(rows), BETAS, data=rows)
    total = rows.var(axis=0).sum()
    assert found.scan.attrs["start"] == "fresh"
    scan = lv.scan(rows, np.sort(BETAS) / total, latents=3)
    np.testing.assert_allclose(found.scan.temperature, scan.temperature, rtol=1e-12)
    for name in ("signal_fraction", "rate"):
        ours, theirs = (np.sort(each[name].values[0], axis=1) for each in (found.scan, scan))
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    of_means = [each.pruned_distortion.sel(reconstruction="mean").values for each in (found.scan, scan)]
    np.testing.assert_allclose(*of_means, atol=1e-6)
    np.testing.assert_allclose(found.onset, ONSETS, rtol=1e-3)
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
    np.testing.assert_allclose(found.onset, ONSETS, rtol=1e-3)
    assert "decode" in found.summary()


def test_a_learned_variance_prices_each_model(rows):
    """Onsets are read against the price that it has led to, β σ_dec²; the coordinate is the T of `Neural`, β/d."""
    loss = Loss.gaussian(decoder_variance="learned")
    found = spectroscopy(named(exact(rows)), np.sqrt(BETAS), data=rows, loss=loss)
    np.testing.assert_allclose(found.temperature, np.sort(BETAS) / 5.2, rtol=1e-9)
    np.testing.assert_allclose(found.scan.temperature, np.sort(np.sqrt(BETAS)) / 3, rtol=1e-9)
    np.testing.assert_allclose(found.onset, ONSETS, rtol=1e-3)
    with pytest.raises(InputError, match="returned no decoder_variance"):
        spectroscopy(exact(rows), BETAS, data=rows, loss=loss)


@pytest.mark.parametrize(("loss", "unit"), [(Loss.bernoulli(), 3.0), (Loss.poisson(reconstruction="mean"), None)])
def test_another_likelihood_has_a_unit_of_its_own(rng, loss, unit):
    """Rates alone give the onsets; T is in the likelihood's own V, so that nothing is compared with utilities."""
    rows = rng.integers(0, 2, (200, 3)).astype(float)
    total = unit or (rows.var(axis=0) / rows.mean(axis=0)).sum() / 3  # a = 1/3 of the mean triples τ = b/a
    critical = np.array([2.0, 1.0, 0.5])

    def fit(beta, seed):
        share = np.minimum(1, beta / total / critical)  # R = ½ ln(T_c/T), whatever the weights are
        white = (rows - rows.mean(axis=0)) / rows.std(axis=0)
        return white * np.sqrt(1 - share), np.log(np.broadcast_to(share, rows.shape)), lambda z: rows.mean(0) + 0 * z

    found = spectroscopy(fit, total * np.geomspace(3, 0.01, 14), data=rows, loss=loss)
    np.testing.assert_allclose(found.temperature, np.geomspace(0.01, 3, 14), rtol=1e-9)
    np.testing.assert_allclose(found.scan.price[0] / found.scan.total_variance, found.temperature, rtol=1e-9)
    np.testing.assert_allclose(found.onset, critical, rtol=1e-9)
    assert np.isnan(found.identity)
    assert np.isnan(found.predicted_rate).all()
    assert "not compared with utilities" in found.summary()


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
    with pytest.raises(InputError, match="another loss: name") as caught:
        spectroscopy(exact(rows), BETAS, data=rows, loss=Loss.gaussian(half=False), folder=tmp_path)
    assert caught.value.argument == "folder"
    fewer = lambda beta, seed: tuple(each[:, :2] for each in exact(rows)(beta, seed)[:2])  # noqa: E731
    with pytest.raises(InputError, match=r"seed=1\) has 2 latents, but the first model has 3") as caught:
        spectroscopy(fewer, BETAS, data=rows, seeds=[0, 1], folder=tmp_path)
    assert caught.value.partial.sizes["temperature"] == BETAS.size


@pytest.mark.parametrize("learned", [False, True])
def test_what_was_not_trained_has_not_diverged(rows, learned):
    """Where the second seed stops halfway, `partial` has all models that were trained, and onsets of them."""
    trained = {(seed, beta) for seed in (0, 1) for beta in BETAS[: 14 if seed == 0 else 4]}

    def fit(beta, seed):
        trained.remove((seed, BETAS[np.argmin(abs(BETAS - (beta**2 if learned else beta)))]))
        return (named(exact(rows)) if learned else exact(rows))(beta, seed)

    betas, loss = (np.sqrt(BETAS), Loss.gaussian(decoder_variance="learned")) if learned else (BETAS, None)
    with pytest.raises(InputError, match="raised KeyError") as caught:
        spectroscopy(fit, betas, data=rows, loss=loss, seeds=3)
    partial = caught.value.partial
    assert partial.status.values.tolist() == [[0] * 14, [-1] * 10 + [0] * 4]
    assert partial.converged.values.sum() == np.isfinite(partial.rate.values[..., 0]).sum() == 18
    found = lv.verification.onsets(partial)
    assert found.diverged == found.unsettled == 0
    np.testing.assert_allclose(found.onset, ONSETS, rtol=1e-3)


@pytest.mark.parametrize("loss", [Loss.gaussian(kl="mean", latents=9), Loss.gaussian(latents=2)])
def test_the_loss_and_the_models_have_as_many_latents(rows, tmp_path, loss):
    """τ of a mean over latents depends on them. Nothing is kept."""
    with pytest.raises(InputError, match=f"has 3 latents, but the loss has {loss.latents}: let all") as caught:
        spectroscopy(exact(rows), BETAS, data=rows, loss=loss, folder=tmp_path)
    assert caught.value.argument == "fit"
    assert not [*tmp_path.glob("fit-*")]
    found = spectroscopy(exact(rows), BETAS[:2] * 3, data=rows, loss=Loss.gaussian(kl="mean", latents=3))
    np.testing.assert_allclose(found.temperature, np.sort(BETAS[:2]) / 5.2, rtol=1e-9)


def test_a_folder_is_one_calls_at_a_time(rows, tmp_path):
    """From before the first training to the end; what a process left half written is removed."""
    (tmp_path / ".fit-0-0x1.8p+1.npz.77.part").write_text("half")
    within = []

    def fit(beta, seed):
        with pytest.raises(InputError, match="Another process is at work") as caught:
            spectroscopy(exact(rows), BETAS, data=rows, folder=tmp_path)
        within.append(caught.value.argument)
        return exact(rows)(beta, seed)

    spectroscopy(fit, BETAS[:2], data=rows, folder=tmp_path)
    assert within == ["folder"] * 2
    assert not [*tmp_path.glob(".*.part")]
    with FileLock(tmp_path / "spectroscopy.lock", timeout=0):  # released
        pass


def test_a_folder_without_trainings_is_free(rows, tmp_path):
    """A call that never trained anything does not bind it."""
    with pytest.raises(InputError, match="ZeroDivisionError"):
        spectroscopy(lambda beta, seed: 1 / 0, BETAS, data=rows, loss=Loss.gaussian(half=False), folder=tmp_path)
    spectroscopy(exact(rows), BETAS[:1], data=rows, folder=tmp_path)
    with pytest.raises(InputError, match="another loss: name"):
        spectroscopy(exact(rows), BETAS, data=rows, loss=Loss.gaussian(half=False), folder=tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"null", b'"text"', b"\xff", None])
def test_a_folder_that_cannot_be_told_is_refused(rows, tmp_path, content):
    """Trainings of what nobody knows are not taken for these; without trainings the file is written anew."""
    spectroscopy(exact(rows), BETAS[:1], data=rows, folder=tmp_path)
    known = tmp_path / "spectroscopy.json"
    known.unlink() if content is None else known.write_bytes(content)
    with pytest.raises(InputError, match=r"spectroscopy\.json cannot be read, .*: name another folder") as caught:
        spectroscopy(exact(rows), BETAS, data=rows, folder=tmp_path)
    assert caught.value.argument == "folder"
    next(tmp_path.glob("fit-*")).unlink()
    spectroscopy(exact(rows), BETAS[:1], data=rows, folder=tmp_path)


STATES = [
    lambda beta: np.array(beta), lambda beta: {"w": {0: [np.float32(beta), None]}, "n": (np.int64(3),)},
]  # fmt: skip


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(("start", "order"), [("down", -1), ("up", 1)])
def test_warm_starts_hand_the_state_on(rows, tmp_path, start, order, state):
    """In order of β, and across an interruption, in one type; the first model of each seed starts fresh."""
    seen = []

    def fit(beta, seed, **options):
        seen.append((beta, options["start"]))
        return *exact(rows)(beta, seed), state(beta)

    spectroscopy(fit, BETAS[:4], data=rows, seeds=[0, 1], start=start, folder=tmp_path)
    expected = sorted(BETAS[:4], reverse=order < 0)
    chain = [(beta, before and state(before)) for beta, before in zip(expected, [None, *expected[:-1]], strict=True)]
    assert seen == chain * 2
    (tmp_path / f"fit-1-{expected[-1].hex()}.npz").unlink()
    found = spectroscopy(fit, BETAS[:4], data=rows, seeds=[0, 1], start=start, folder=tmp_path)
    assert found.scan.attrs["start"] == start
    assert seen[8:] == chain[-1:]
    assert repr(seen[8]) == repr(seen[7])  # types and precision too
    with pytest.raises(InputError, match="with other betas: name"):
        spectroscopy(fit, BETAS[:5], data=rows, start=start, folder=tmp_path)


@pytest.mark.parametrize(
    ("state", "complaint"), [(object(), "state of fit for the folder .*<object object"), (None, "returned no state")]
)
def test_a_state_that_cannot_be_handed_on(rows, tmp_path, state, complaint):
    """It is said after the first training, which is in `partial`; fresh trainings need no state."""
    fit = lambda beta, seed, start=None: (*exact(rows)(beta, seed), state)  # noqa: E731
    with pytest.raises(InputError, match=complaint) as caught:
        spectroscopy(fit, BETAS, data=rows, start="up", folder=tmp_path / "a")
    assert caught.value.argument == ("folder" if state else "fit")
    assert caught.value.partial is None or caught.value.partial.sizes["temperature"] == 1
    assert spectroscopy(fit, BETAS[:2], data=rows, folder=tmp_path / "b").scan.sizes["temperature"] == 2


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
            "none": lambda: (mean[:, :0], log_variance[:, :0]),
            "more": lambda: (np.hstack([mean, mean]), np.hstack([log_variance, log_variance])),
            "decoder": lambda: (mean, log_variance, lambda z: z[:, :2]),
            "turned": lambda: (mean, log_variance, lambda z: decode(z).T),
            "no output": lambda: (mean, log_variance, lambda z: None),
            "raising decoder": lambda: (mean, log_variance, lambda z: z[0, 99]),
        }[what]()

    return fit


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("raises", "raised ZeroDivisionError"), ("text", "returned 'done', but"), ("names", "returned mean, but"),
        ("rows", r"returned mean \(5, 3\)"), ("shapes", r"log_variance \(400, 1\)"), ("none", "K from 1 on"),
        ("more", "has 6 latents, but the first model has 3"), ("turned", r"returned shape \(3, 400\), but \(400, 3\)"),
        ("no output", "x̂ of fit.* None cannot be read"),
        ("decoder", r"returned shape \(400, 2\), but"), ("raising decoder", r"decode of fit.* raised IndexError"),
    ],
)  # fmt: skip
def test_a_fit_that_fails_is_named_and_the_rest_is_kept(rows, what, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        spectroscopy(failing(rows, what), BETAS[:4], data=rows)
    assert "beta=" in str(caught.value)
    assert caught.value.argument == "fit"
    assert caught.value.partial.sizes["temperature"] == 2


@pytest.mark.parametrize("betas", [[], [1.0, 1.0], [0.0], [np.nan], "ten", [[1.0]]])
def test_bad_betas(rows, betas):
    with pytest.raises(InputError, match="betas"):
        spectroscopy(exact(rows), betas, data=rows)


def test_a_fit_without_start_cannot_be_swept(rows):
    with pytest.raises(InputError, match="unexpected keyword argument 'start'"):
        spectroscopy(exact(rows), BETAS, data=rows, start="down")
    with pytest.raises(InputError, match="raised TypeError"):
        spectroscopy(min, BETAS, data=rows, start="down")  # has no signature


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"data": np.zeros((4, 2))}, "data"), ({"data": "x"}, "data"), ({"loss": Loss.bernoulli()}, "data"),
        ({"betas": [1e-320]}, "betas"), ({"folder": __file__}, "folder"), ({"seeds": [1, 1]}, "seeds"),
    ],
)  # fmt: skip
def test_errors_name_the_argument(rows, options, argument):
    with pytest.raises(InputError) as caught:
        spectroscopy(**{"fit": exact(rows), "betas": BETAS, "data": rows} | options)
    assert caught.value.argument == argument


def test_logits_are_no_means(rng):
    rows = rng.integers(0, 2, (50, 3)).astype(float)
    with pytest.raises(InputError, match="means from 0 to 1 are expected: let it return x̂, not logits"):
        spectroscopy(exact(rows), BETAS, data=rows, loss=Loss.bernoulli())


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda mean, log_variance, decode: (np.nan * mean, log_variance, decode),
        lambda mean, log_variance, decode: (mean, log_variance + 1e4, decode),
        lambda mean, log_variance, decode: {"mean": mean, "variance": -np.exp(log_variance)},
        lambda mean, log_variance, decode: (mean, log_variance, lambda z: decode(z) * np.nan),
        lambda mean, log_variance, decode: (mean, log_variance, lambda z: decode(z) + 1e300 * z),
    ],
)  # fmt: skip
def test_a_model_that_diverged_is_left_out(rows, spoilt):
    """NaN and overflow, in the posterior or in the decoder, are no error and no warning."""
    fit = lambda beta, seed: (spoilt if beta == BETAS[-1] else lambda *each: each)(*exact(rows)(beta, seed))  # noqa: E731
    found = spectroscopy(fit, BETAS, data=rows)
    assert found.diverged == 1
    assert found.resolved.all()


def test_lists_of_single_precision_and_images(rows):
    """As other frameworks have them: float32, lists, arrays that cannot be written to, x̂ of the shape of images."""
    four = np.hstack([rows, rows[:, :1]])

    def fit(beta, seed):
        mean, log_variance, decode = exact(rows)(beta, seed)
        log_variance.flags.writeable = False
        output = lambda z: np.float32(decode(z))[:, [0, 1, 2, 0]].reshape(-1, 1, 2, 2).tolist()  # noqa: E731
        return [mean.astype(np.float32).tolist(), log_variance, output]

    assert spectroscopy(fit, [0.1], data=four).best[-1] < 0.1


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


# ------------------------------------------------------------------------------------------------------- staircases


def test_a_staircase_finds_each_onset_by_two_trainings(rows):
    """Exact linear models: rates are ½ ln(λ/β), so that lines meet zero at λ; brackets hold it, 2 K places in all.

    What is foreseen is read off 400 rows: sampling errors of up to 15 % at three standard errors of a variance's
    √(2/400), and of what other columns are correlated with.
    """
    found = spectroscopy(exact(rows), "staircase", data=rows)
    assert found.scan.sizes["temperature"] == 6
    np.testing.assert_allclose(found.begins, ONSETS, rtol=1e-6)
    assert np.all((found.bracket[:, 0] < ONSETS) & (found.bracket[:, 1] > ONSETS))
    np.testing.assert_allclose(found.foreseen, ONSETS, rtol=0.15)
    assert found.foreseen[0] == pytest.approx(ONSETS[0], rel=1e-9)
    assert "computed" in found.summary()
    without = spectroscopy(lambda *given: exact(rows)(*given)[:2], "staircase", data=rows)
    np.testing.assert_allclose(without.begins, ONSETS, rtol=1e-6)


def test_a_staircase_ends_at_its_floor(rows):
    found = spectroscopy(exact(rows), "staircase", data=rows, floor=0.5)
    assert found.scan.beta.values.min() > 0.5
    assert np.isnan(found.begins[2])
    assert found.bracket[2].tolist() == [0, found.temperature[0]]


def test_a_staircase_is_resumed(rows, tmp_path):
    """Places follow from what is kept: the same numbers, and nothing is trained twice."""
    calls, whole = [], spectroscopy(exact(rows), "staircase", data=rows, seeds=2)

    def dies(beta, seed):
        if len(calls) == 4:
            raise KeyboardInterrupt
        return exact(rows, calls)(beta, seed)

    with pytest.raises(KeyboardInterrupt):
        spectroscopy(dies, "staircase", data=rows, seeds=2, folder=tmp_path)
    again = spectroscopy(exact(rows, calls), "staircase", data=rows, seeds=2, folder=tmp_path)
    assert len(calls) == len(set(calls)) == whole.scan.status.size
    assert again.scan.equals(whole.scan)
    with pytest.raises(InputError, match="other betas: name"):
        spectroscopy(exact(rows), BETAS, data=rows, folder=tmp_path)


def test_a_latent_that_does_not_come_and_an_onset_that_cannot_be_read(rows):
    """All collapsed: the staircase goes on by equal steps. Beside five active latents without a decoder, too."""
    dead = lambda beta, seed: (0 * rows, 0 * rows)  # noqa: E731
    found = spectroscopy(dead, "staircase", data=rows, floor=1.0)
    np.testing.assert_allclose(found.scan.beta[::-1], 4 * 0.85 ** np.arange(1, 9), rtol=1e-9)
    assert np.isnan(found.begins).all()
    five = lambda beta, seed: (rows[:, [0] * 6], np.log(np.r_[[0.5] * 5, 1e9]) + 0 * rows[:, [0] * 6])  # noqa: E731
    found = spectroscopy(five, "staircase", data=rows, floor=1.0)
    assert np.isnan(found.scan.next_onset).all()
    np.testing.assert_allclose(np.diff(np.log(found.scan.beta[:-1])), -np.log(0.85), rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "complaint", "argument"),
    [
        ({"start": "up"}, "A staircase leads down, but start is 'up'", "start"),
        ({"loss": Loss.gaussian(decoder_variance="learned")}, "of a learned σ_dec²", "loss"),
        ({"floor": 3.5}, "floor is 3.5, but the first model of this staircase is trained at β = 3.4:", "floor"),
        ({"betas": BETAS, "floor": 0.1}, "floor ends a staircase, but betas is a list", "floor"),
        ({"betas": "stairs"}, "betas 'stairs' cannot be read as numbers", "betas"),
    ],
)
def test_staircases_that_are_refused(rows, options, complaint, argument):
    with pytest.raises(InputError, match=complaint) as caught:
        spectroscopy(**{"fit": exact(rows), "betas": "staircase", "data": rows} | options)
    assert caught.value.argument == argument
