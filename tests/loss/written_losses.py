"""More losses as public code bases write them, over a batch: of (x̂, x, mean, log-variance), at their shipped weights.

`test_presets.py` compares each with its preset. Where a code base ships no weight, the one used is in `WEIGHTS`.
"""

import numpy as np

WEIGHTS = {
    "ard-vae": 0.5, "lambda-beta-vae": 2.0, "adsp-world-models": 1000.0, "lfads-torch": 1e-4,
}  # fmt: skip
LAMBDA = 0.7  # of λβ-VAE


def rows(array):
    return array.reshape(len(array), -1)


def bce(x, p):
    return -x * np.log(p) - (1 - x) * np.log(1 - p)


def kl_terms(mu, log_var):
    return -0.5 * (1 + log_var - mu**2 - np.exp(log_var))


# Squared errors ---------------------------------------------------------------------------------


def mlcolvar(output, target, mean, log_variance, beta=1.0):
    kl = -0.5 * (log_variance - np.exp(log_variance) - mean**2 + 1).sum(axis=1).mean()
    return ((output - target) ** 2).mean() + beta * kl


def merlion(recon_x, x, mu_q, logvar_q):
    recon_loss = np.mean((rows(recon_x) - rows(x)) ** 2)
    return recon_loss + np.mean(-0.5 * np.sum(1 + logvar_q - mu_q**2 - np.exp(logvar_q), axis=1))


def mmvae(recon, x, mu, logvar):
    return ((recon - x) ** 2).mean() + -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))


def ard_vae(recon, x, mu, logvar, beta=WEIGHTS["ard-vae"], alpha=1.0):
    """Against a prior N(0, α) whose variances are learned, here at the value where the others have theirs."""
    kl = 0.5 * ((np.exp(logvar) + mu**2) / alpha - 1 - logvar + np.log(alpha)).sum(axis=1)
    return ((rows(recon) - rows(x)) ** 2).sum(axis=1).mean() + beta * kl.mean()


def lambda_beta_vae(recon, x, mu, logvar, beta=WEIGHTS["lambda-beta-vae"]):
    gap = ((rows(recon) - rows(x)) ** 2).sum(axis=1).mean()
    return 0.5 * gap + LAMBDA * gap + beta * kl_terms(mu, logvar).sum(axis=1).mean()


def adsp(y_pred, y_true, z_mean, z_log_var, factor=WEIGHTS["adsp-world-models"]):
    r_loss = factor * np.mean(np.square(rows(y_true - y_pred)), axis=1)
    kl_loss = -0.5 * np.sum(1 + z_log_var - np.square(z_mean) - np.exp(z_log_var), axis=-1)
    return np.mean(r_loss + kl_loss)


def svg(x_pred, x, mu, logvar, beta=1e-4, mu_p=0.0, logvar_p=0.0):
    """One frame; the prior comes from the frames before, here at the standard normal."""
    sigma1, sigma2 = np.exp(logvar / 2), np.exp(logvar_p / 2)
    kld = np.log(sigma2 / sigma1) + (np.exp(logvar) + (mu - mu_p) ** 2) / (2 * np.exp(logvar_p)) - 0.5
    return ((x_pred - x) ** 2).mean() + beta * kld.sum() / len(x)


def actor(output, x, mu, logvar, mask=None, lambda_kl=1e-5):
    mask = np.ones(x.shape, bool) if mask is None else mask
    rc = np.mean((x[mask] - output[mask]) ** 2)
    return rc + lambda_kl * -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))


def vame(x_tilde, x, mu, logvar, beta=1.0):
    return ((x_tilde - x) ** 2).sum() + beta * -0.5 * np.mean(1 + logvar - mu**2 - np.exp(logvar))


def trvae(recon_x, x, mu, logvar, alpha=1.0):
    recon_loss = np.sum((rows(recon_x) - rows(x)) ** 2, axis=-1).mean()
    return recon_loss + alpha * (-logvar + np.exp(logvar) + mu**2 - 1).sum(axis=1).mean() / 2


def cryodrgn(y_recon, y, z_mu, z_logvar):
    beta, mask_sum = 1.0 / z_mu.shape[1], y[0].size
    gen_loss = np.mean((y_recon - y) ** 2)
    kld = np.mean(-0.5 * np.sum(1 + z_logvar - z_mu**2 - np.exp(z_logvar), axis=1), axis=0)
    return gen_loss + beta * kld / mask_sum


# Other likelihoods ------------------------------------------------------------------------------


def lfads(rates, x, mean, log_variance, scale=WEIGHTS["lfads-torch"]):
    recon = np.mean(rates - x * np.log(rates))
    return 1e4 * (recon + scale * kl_terms(mean, log_variance).sum(axis=1).mean())


def keras_molecules(x_decoded_mean, x, z_mean, z_log_var, max_length=120):
    xent_loss = max_length * np.mean(bce(x, x_decoded_mean))
    kl_loss = -0.5 * np.mean(1 + z_log_var - np.square(z_mean) - np.exp(z_log_var), axis=-1)
    return xent_loss + np.mean(kl_loss)


# name: (loss of (x̂, x, mean, spread), what x̂ is, does it average over the batch)
MORE = {
    "mlcolvar": (mlcolvar, "reconstruction", True),
    "merlion": (merlion, "reconstruction", True),
    "mmvae-before-pr19": (mmvae, "reconstruction", True),
    "ard-vae": (ard_vae, "reconstruction", True),
    "lambda-beta-vae": (lambda_beta_vae, "reconstruction", True),
    "adsp-world-models": (adsp, "reconstruction", True),
    "svg": (svg, "reconstruction", True),
    "actor": (actor, "reconstruction", True),
    "vame": (vame, "reconstruction", False),
    "trvae": (trvae, "reconstruction", True),
    "cryodrgn": (cryodrgn, "reconstruction", True),
    "lfads-torch": (lfads, "means", True),
    "keras-molecules": (keras_molecules, "probabilities", True),
}  # fmt: skip
