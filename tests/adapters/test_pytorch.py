"""The hook for PyTorch: what reaches the monitor is what the loss has, and the training is as without it."""

import copy
import gc
import pickle
import types
import warnings
import weakref

import numpy as np
import pytest

import landau_vae as lv
from landau_vae.adapters.pytorch import watch
from landau_vae.diagnosis import MonitorWarning

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

BETA, D, K, ROWS = 0.7, 6, 3, 40
SINGLE = 1e-4  # gradients in float32, relative to μ's: 1e-7 each, and latents whose μ is a hundredth of the largest


class Recorder(lv.Monitor):
    """A monitor that keeps what it is given."""

    def update(self, *args, **kwargs):
        if self.due:
            names = ("mean", "log_variance", "x", "noise", "grad_z", "grad_mean")
            self.seen = [*getattr(self, "seen", []), {**dict(zip(names, args, strict=False)), **kwargs}]
        super().update(*args, **kwargs)


def recorder(every=1, **how):
    return Recorder(loss=lv.Loss.gaussian(BETA), every=every, **how)


def rows(count=400):
    return torch.randn(count, D, generator=torch.Generator().manual_seed(1)) * torch.linspace(2, 0.5, D)


def charge(mean, log_variance):
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).flatten(1).sum(1)


class Plain(torch.nn.Module):
    """Encoder and decoder as modules and as methods; subclasses change what they return and take."""

    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Linear(D, 2 * K)
        self.decoder = torch.nn.Linear(self.inputs, D)

    inputs = K

    def encode(self, x):
        return self.encoder(x).chunk(2, dim=-1)

    def decode(self, z):
        return self.decoder(z)

    def posterior(self, encoded):
        return encoded[0], encoded[1]

    def sample(self, encoded):
        mean, log_variance = self.posterior(encoded)
        return mean + torch.randn_like(mean) * (log_variance / 2).exp()

    def loss(self, x):
        encoded = self.encode(x)
        z = self.sample(encoded)
        self.drawn = z
        error = 0.5 * ((self.decode(z) - x) ** 2).flatten(1).sum(1)
        return (error + BETA * charge(*self.posterior(encoded))).mean()


def trained(model, monitor=None, updates=4, watched=None, **how):
    """Return the parameters after some updates, the same batches and draws each time."""
    torch.manual_seed(0)
    model = model()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    hook = None if monitor is None else watch(monitor, *(watched or (lambda it: (it,)))(model), **how)
    data = rows()
    for update in range(updates):
        loss = model.loss(data[ROWS * update : ROWS * (update + 1)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if hook is not None:
        hook.remove()
    return list(model.parameters())


class WithSample(Plain):
    def encode(self, x):
        mean, log_variance = super().encode(x)
        return mean, log_variance, mean + torch.randn_like(mean) * (log_variance / 2).exp()

    def sample(self, encoded):
        return encoded[2]


class SampleFirst(WithSample):
    def encode(self, x):
        mean, log_variance, z = super().encode(x)
        return z, mean, log_variance

    def posterior(self, encoded):
        return encoded[1], encoded[2]

    def sample(self, encoded):
        return encoded[0]


class Columns(Plain):
    def encode(self, x):
        return self.encoder(x)

    def posterior(self, encoded):
        return encoded.chunk(2, dim=-1)


class Names(Plain):
    def encode(self, x):
        mean, log_variance = super().encode(x)
        return {"embedding": mean, "log_covariance": log_variance}

    def posterior(self, encoded):
        return encoded["embedding"], encoded["log_covariance"]


class Fields(Plain):
    def encode(self, x):
        mean, log_variance = super().encode(x)
        return types.SimpleNamespace(hidden=x, z_mean=mean, z_log_std=log_variance / 2)

    def posterior(self, encoded):
        return encoded.z_mean, 2 * encoded.z_log_std


class Distribution(Plain):
    def encode(self, x):
        mean, log_variance = super().encode(x)
        return torch.distributions.Independent(torch.distributions.Normal(mean, (log_variance / 2).exp()), 1)

    def posterior(self, encoded):
        return encoded.mean, encoded.variance.log()

    def sample(self, encoded):
        return encoded.rsample()


class DistributionAndSample(Distribution):  # scvi-tools
    def encode(self, x):
        found = super().encode(x)
        return found, found.rsample()

    def posterior(self, encoded):
        return super().posterior(encoded[0])

    def sample(self, encoded):
        return encoded[1]


class Shared(Plain):
    """One spread of all rows."""

    def __init__(self):
        super().__init__()
        self.log_variance = torch.nn.Parameter(torch.full((K,), -0.5))

    def encode(self, x):
        return super().encode(x)[0], self.log_variance

    def posterior(self, encoded):
        return encoded[0], encoded[1].expand_as(encoded[0])


class Labels(Plain):
    inputs = K + 2

    def decode(self, z):
        return self.decoder(torch.cat([z, torch.ones(len(z), 2)], dim=-1))


class LabelsFirst(Plain):
    inputs = K + 2

    def decode(self, z):
        return self.decoder(torch.cat([torch.ones(len(z), 2, requires_grad=True), z], dim=-1))


class Spatial(Plain):
    """Codes of three channels at two by two places, as images have them."""

    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Conv2d(1, 2 * K, 1)
        self.decoder = torch.nn.ConvTranspose2d(K, 1, 1)

    def encode(self, x):
        return self.encoder(x[:, :4].reshape(-1, 1, 2, 2)).chunk(2, dim=1)

    def decode(self, z):
        return torch.nn.functional.pad(self.decoder(z).flatten(1), (0, D - 4))


class Sequence(Plain):
    """Codes of two steps."""

    def encode(self, x):
        return torch.stack([self.encoder(x), self.encoder(-x)], dim=1).chunk(2, dim=-1)

    def decode(self, z):
        return self.decoder(z).sum(dim=1)


class Grid(Plain):
    """z as an image of one place."""

    def __init__(self):
        super().__init__()
        self.decoder = torch.nn.ConvTranspose2d(K, D, 1)

    def decode(self, z):
        return self.decoder(z[..., None, None]).flatten(1)


class Several(Plain):
    """Three samples of each row, as one long batch."""

    def draws(self, mean):
        return torch.randn(3, *mean.shape)

    def sample(self, encoded):
        mean, log_variance = self.posterior(encoded)
        return (mean + self.draws(mean) * (log_variance / 2).exp()).reshape(-1, K)

    def decode(self, z):
        return self.decoder(z).reshape(3, -1, D).mean(0)


class SeveralOfRow(Several):
    def sample(self, encoded):
        mean, log_variance = self.posterior(encoded)
        return (mean[:, None] + torch.randn(len(mean), 3, K) * (log_variance[:, None] / 2).exp()).reshape(-1, K)

    def decode(self, z):
        return self.decoder(z).reshape(-1, 3, D).mean(1)


class SeveralAxes(Several):
    def sample(self, encoded):
        return super().sample(encoded).reshape(3, -1, K)

    def decode(self, z):
        return self.decoder(z).mean(0)


class Twice(Plain):
    """Another reconstruction, at the mean, beside the sampled one."""

    def loss(self, x):
        mean, log_variance = self.encode(x)
        first, second = self.decode(mean + torch.randn_like(mean) * (log_variance / 2).exp()), self.decode(mean)
        error = sum(((each - x) ** 2).sum(1) for each in (first, second))
        return (error + BETA * charge(mean, log_variance)).mean()


class Views(Plain):
    """Two views of a batch, encoded first and decoded after."""

    def loss(self, x):
        codes = [self.encode(x), self.encode(x.flip(0))]
        outputs = [self.decode(self.sample(code)) for code in codes]
        error = sum(((each - x) ** 2).sum(1) for each in outputs)
        return (error + BETA * sum(charge(*code) for code in codes)).mean()


METHODS = [Plain, WithSample, SampleFirst, Columns, Names, Fields, Distribution, DistributionAndSample, Shared, Spatial,
           Sequence, Several, SeveralOfRow, SeveralAxes, Twice, Views]  # fmt: skip
MODULES = [Columns, Labels, LabelsFirst, Grid, Spatial]
WAYS = [(model, None) for model in METHODS]
WAYS += [(model, lambda it: (it.encoder, it.decoder)) for model in MODULES]


@pytest.mark.parametrize(("model", "parts"), WAYS, ids=lambda it: getattr(it, "__name__", "methods"))
def test_price_is_exact_and_weights_are_as_without(model, parts):
    """The weight of the KL is read off one batch, whatever the encoder returns and the decoder is given."""
    monitor = recorder()
    watched = trained(model, monitor, watched=parts)
    assert all(torch.equal(mine, other) for mine, other in zip(watched, trained(model), strict=True))
    for batch in monitor.seen[:4]:
        mean = batch["mean"].numpy()
        by_kl = (batch["grad_mean"] - batch["grad_z"]).numpy() * len(mean)
        np.testing.assert_allclose(by_kl, BETA * mean, atol=SINGLE * np.abs(mean).max())
    np.testing.assert_allclose(monitor.log()["price_applied"], BETA, rtol=SINGLE)
    assert monitor.problem is None


def test_what_reaches_the_monitor():
    """Mean, spread, x, ε and both gradients, by automatic differentiation at the tensors themselves."""
    torch.manual_seed(0)
    model, monitor, x = Plain(), recorder(), rows()[:ROWS]
    noise = torch.randn(ROWS, K)
    with watch(monitor, model):
        mean, log_variance = model.encode(x)
        z = mean + noise * (log_variance / 2).exp()
        loss = (((model.decode(z) - x) ** 2).sum(1) + BETA * charge(mean, log_variance)).mean()
        by_mean, by_z = torch.autograd.grad(loss, [mean, z], retain_graph=True)
        loss.backward()
    (seen,) = monitor.seen
    expected = {"mean": mean, "log_variance": log_variance, "x": x, "noise": noise, "grad_mean": 2 * by_mean,
                "grad_z": 2 * by_z}  # fmt: skip
    for name, value in expected.items():  # both passes are added
        np.testing.assert_allclose(seen[name].numpy(), value.detach().numpy(), atol=1e-6, err_msg=name)  # float32


def test_a_sampled_kl():
    """A KL of one sample, which goes through z, is told from the reconstruction: right on average."""

    class Sampled(Plain):
        def loss(self, x):
            mean, log_variance = self.encode(x)
            posterior = torch.distributions.Normal(mean, (log_variance / 2).exp())
            z = posterior.rsample()
            kl = posterior.log_prob(z) - torch.distributions.Normal(0, 1).log_prob(z)
            return (((self.decode(z) - x) ** 2).sum(1) + BETA * kl.sum(1)).mean()

    monitor = recorder()
    trained(Sampled, monitor)
    mean, by_kl = monitor.seen[-1]["mean"], (monitor.seen[-1]["grad_mean"] - monitor.seen[-1]["grad_z"]) * ROWS
    slope, error = BETA, BETA / np.sqrt(float((mean**2).sum()))  # Σ μ σε/Σ μ² beside it, σ about 1
    assert abs(float((mean * by_kl).sum() / (mean**2).sum()) - slope) < 4 * error


def test_spreads_that_are_no_logarithms():
    for kind, to in {"std": lambda it: (it / 2).exp(), "variance": torch.exp, "log_std": lambda it: it / 2}.items():

        class Other(Plain):
            def encode(self, x, to=to):
                mean, log_variance = super().encode(x)
                self.as_log = log_variance
                return mean, to(log_variance)

            def posterior(self, encoded):
                return encoded[0], self.as_log

        monitor = recorder()
        trained(Other, monitor, updates=1, spread=kind)
        reference = recorder()
        trained(Plain, reference, updates=1)
        for name in ("log_variance", "noise"):  # exp and log in float32
            np.testing.assert_allclose(monitor.seen[0][name], reference.seen[0][name], atol=1e-5, err_msg=kind)


def test_heads_and_methods_by_themselves():
    class Heads(Plain):
        def __init__(self):
            super().__init__()
            self.mean, self.log_variance = torch.nn.Linear(D, K), torch.nn.Linear(D, K)

        def encode(self, x):
            log_variance = self.log_variance(x)  # the order of the calls does not matter
            return self.mean(x), log_variance

    ways = {
        "heads": lambda it: ((it.mean, it.log_variance), it.decoder),
        "methods": lambda it: (it.encode, it.decode),
        "mixed": lambda it: (it.encode, it.decoder),
    }
    for name, parts in ways.items():
        monitor = recorder()
        trained(Heads, monitor, watched=parts)
        np.testing.assert_allclose(monitor.log()["price_applied"], BETA, rtol=SINGLE, err_msg=name)
        assert monitor.updates == 4, name
        assert (monitor.seen[0]["x"] is None) == (name == "heads")


class Trunk(torch.nn.Module):
    """Layers by the usual names, put together in `forward`: the encoder ends before the heads."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = torch.nn.Linear(D, 2 * K), torch.nn.Linear(K, D)
        self.fc_mu, self.fc_var, self.bn = (torch.nn.Linear(2 * K, K) for _ in range(3))

    def loss(self, x):
        hidden = self.encoder(x)
        mean, log_variance = self.fc_mu(hidden), self.fc_var(hidden)
        z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        return (0.5 * ((self.decoder(z) - x) ** 2).sum(1) + BETA * charge(mean, log_variance)).mean()


def test_heads_are_found_by_their_names():
    """The output of the encoder has an even number of columns, and is no posterior."""
    monitor = recorder()
    trained(Trunk, monitor)
    assert monitor.seen[0]["mean"].shape == (ROWS, K)
    np.testing.assert_allclose(monitor.log()["price_applied"], BETA, rtol=SINGLE)

    class Two(Trunk):
        def __init__(self):
            super().__init__()
            self.fc_mu_of_prior = torch.nn.Linear(1, K)

    with pytest.warns(MonitorWarning, match=r"not μ \+ σε: .* whether anything lies between"):
        trained(Two, recorder())


def test_an_encoder_that_is_not_called():
    """It is said once; updates of other models do not count."""

    class Beside(Trunk):
        def encode(self, x):
            raise NotImplementedError

    model = Beside()
    own, other = (torch.optim.SGD(each.parameters(), 0.1) for each in (model, torch.nn.Linear(1, 1)))
    with watch(recorder(), model):
        for _ in range(30):
            other.step()
        for _ in range(19):
            own.step()
        with pytest.warns(MonitorWarning, match=r"after 20 updates: Beside.encode was not called .* Name what returns"):
            own.step()
        own.step()


class OtherNoise(Plain):
    """The log-variance is drawn with as if it were ln σ, and begins near −3."""

    def __init__(self):
        super().__init__()
        torch.nn.init.constant_(self.encoder.bias[K:], -3.0)

    def sample(self, encoded):
        self.epsilon = torch.randn_like(encoded[0])
        return encoded[0] + self.epsilon * encoded[1].exp()


def test_noise_that_is_not_of_the_posterior():
    """It is said at once, unless the loss states it; then ε is the one that was drawn."""
    with pytest.warns(MonitorWarning, match="not μ \\+ σε.*the mean square 0.[01]") as said:
        trained(OtherNoise, recorder())
    assert len(said) == 1

    monitor = Recorder(loss=lv.Loss.gaussian(BETA, sampler=lv.loss.Sampler(log_std=True)), every=1)
    model = OtherNoise()
    with watch(monitor, model):
        model.loss(rows()[:ROWS]).backward()
    np.testing.assert_allclose(monitor.seen[0]["noise"], model.epsilon, rtol=SINGLE, atol=1e-5)  # z − μ is rounded


def test_only_training_counts():
    torch.manual_seed(0)
    model, monitor, x = Plain(), recorder(), rows()[:ROWS]
    with watch(monitor, model):
        with torch.no_grad():
            model.loss(x)
        model.eval()
        model.loss(x).backward()
        assert monitor.updates == 0
        model.train()
        model.loss(x)  # without gradients nothing is to be had
        assert monitor.updates == 0
        model.loss(x).backward()
    assert monitor.updates == 1


def test_every_tenth_batch():
    monitor = recorder(every=3)
    trained(Plain, monitor, updates=7)
    assert (monitor.updates, len(monitor.seen)) == (7, 3)


def test_the_model_is_as_it_was():
    model = Plain()
    before = dict(vars(model)), dict(vars(model.encoder))
    monitor = recorder()
    hook = watch(monitor, model)
    other = watch(monitor, model.encoder, model.decoder)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # as an average of weights is kept
        with torch.no_grad():
            twin.encoder.weight.zero_()
            twin.encoder.bias.zero_()
        assert not twin.encode(rows()[:2])[0].any(), "the copy encodes with its own weights"
        twin.loss(rows()[:2]).backward()
    assert monitor.updates == 0
    assert set(model.state_dict()) == {"encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias"}
    hook.remove()
    other.remove()
    hook.remove()
    assert (dict(vars(model)), dict(vars(model.encoder))) == before


def test_wrappers_around_a_watched_method_stay():
    model, monitor = Plain(), recorder()
    hook = watch(monitor, model)
    inner = model.encode
    model.encode = lambda x: inner(x)
    hook.remove()
    model.loss(rows()[:ROWS]).backward()
    assert monitor.updates == 0


@pytest.mark.parametrize("backward", ["once", "in two parts"])
def test_accumulated_gradients(backward):
    """The loss of each of four batches is divided by four; both terms may be differentiated one after the other."""
    torch.manual_seed(0)
    model, monitor, x = Plain(), recorder(), rows()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    with watch(monitor, model, loss_scale=1 / 4):
        for batch in x[: 4 * ROWS].split(ROWS):
            mean, log_variance = model.encode(batch)
            z = model.sample((mean, log_variance))
            terms = [((model.decode(z) - batch) ** 2).sum(1).mean() / 4, BETA * charge(mean, log_variance).mean() / 4]
            if backward == "once":
                sum(terms).backward()
            else:
                terms[0].backward(retain_graph=True)
                terms[1].backward()
        optimizer.step()
        np.testing.assert_allclose(monitor.log()["price_applied"], BETA, rtol=SINGLE)
    assert monitor.updates == 4


def test_mixed_precision():
    """The scaler's factor is divided out; a batch whose gradients overflow gives its posterior only."""
    torch.manual_seed(0)
    model, monitor, x = Plain(), recorder(), rows()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=1)
    with watch(monitor, model, loss_scale=scaler), warnings.catch_warnings():
        warnings.simplefilter("error")
        for factor, batch in zip((1e4, 1, 1, 1, 1), x[: 5 * ROWS].split(ROWS), strict=True):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = factor * model.loss(batch)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update(None if torch.isfinite(model.encoder.weight.grad).all() else 2.0**10)
    assert "grad_z" not in monitor.seen[0]
    assert monitor.seen[-1]["loss_scale"] >= 2.0**10
    np.testing.assert_allclose(monitor.log()["price_applied"], BETA, rtol=0.02)  # bfloat16 has three digits


def test_nothing_is_kept_alive():
    """A batch that was looked at holds no graph: what the loss was made of goes when the loss does."""
    torch.manual_seed(0)
    model, monitor = Plain(), recorder()
    with watch(monitor, model):
        loss = model.loss(rows()[:ROWS])
        z = weakref.ref(model.drawn)
        loss.backward()
        del loss, model.drawn
        gc.collect()
        assert z() is None


def test_decoders_that_pass_nothing_back():
    class Detached(Plain):
        def sample(self, encoded):
            return super().sample(encoded).detach()

    class Narrow(Plain):
        inputs = 2

        def decode(self, z):
            return self.decoder(z[:, :2])

    monitor = recorder()
    with pytest.warns(MonitorWarning, match="z was detached") as said:
        trained(Detached, monitor)
    assert len(said) == 1
    assert monitor.updates == 4
    assert "price_applied" not in monitor.log()
    with pytest.warns(MonitorWarning, match=r"Linear.forward was not called: name what is given z, as in"):
        trained(Plain, recorder(), watched=lambda it: (it.encoder, torch.nn.Linear(K, D)))
    with pytest.warns(MonitorWarning, match=r"of shape \(40, 2\), holds z of shape \(40, 3\)"):
        trained(Narrow, recorder(), watched=lambda it: (it.encode, it.decoder))


def test_failures_end_the_watch_and_not_the_training():
    class Odd(Plain):
        def encode(self, x):
            return ["text", super().encode(x)[0][:, :1]]

        def posterior(self, encoded):
            return encoded[1], encoded[1] * 0

        def decode(self, z):
            return self.decoder(z.expand(-1, K))

    reference = trained(Odd)
    with pytest.warns(MonitorWarning, match="not watched any longer: The encoder returned a list of a str") as said:
        watched = trained(Odd, recorder())
    assert len(said) == 1
    assert all(torch.equal(mine, other) for mine, other in zip(watched, reference, strict=True))


def test_a_frozen_encoder():
    class Frozen(Plain):
        def __init__(self):
            super().__init__()
            self.encoder.requires_grad_(False)

    monitor = recorder()
    trained(Frozen, monitor)
    assert monitor.updates == 4
    assert "rate" in monitor.log()


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of PyTorch's compiler
@pytest.mark.parametrize("when", ["before", "after", "parts"])
def test_compiled_models(when):
    torch._dynamo.reset()
    torch.manual_seed(0)
    model, monitor, x = Columns(), recorder(), rows()
    if when == "parts":
        model.encoder, model.decoder = (torch.compile(each, backend="eager") for each in (model.encoder, model.decoder))
        hook, call = watch(monitor, model.encoder, model.decoder), model.loss
    else:
        model.forward = model.loss
        call = torch.compile(model, backend="eager") if when == "before" else model
        hook = watch(monitor, call)
        call = torch.compile(model, backend="eager") if when == "after" else call
    for batch in x[: 3 * ROWS].split(ROWS):
        call(batch).backward()
    hook.remove()
    assert monitor.updates == 3
    np.testing.assert_allclose(monitor.log()["price_applied"], BETA, rtol=SINGLE)


def test_data_parallel_training(tmp_path):
    """One process of a group: the wrapper is seen through."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    try:
        model, monitor = Plain(), recorder()
        model.forward = model.loss
        parallel = torch.nn.parallel.DistributedDataParallel(model)
        with watch(monitor, parallel):
            parallel(rows()[:ROWS]).backward()
    finally:
        torch.distributed.destroy_process_group()
    np.testing.assert_allclose(monitor.log()["price_applied"], BETA, rtol=SINGLE)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((torch.nn.Linear(2, 2),), "Linear has no method encode and decode"),
        (("encoder", "decoder"), "a part of the model is given as a str"),
        ((Plain(), 3), "a part of the model is given as a int"),
    ],
)
def test_what_is_no_model(parts, message):
    with pytest.raises(lv.InputError, match=f"(?i){message}"):
        watch(recorder(), *parts)


def test_what_is_no_scale_and_no_monitor():
    with pytest.raises(lv.InputError, match="loss_scale is str"):
        watch(recorder(), Plain(), loss_scale="2")
    with pytest.raises(lv.InputError, match="monitor is 3, but a Monitor"):
        watch(3, Plain())
