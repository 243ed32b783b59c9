"""What a page says beside its numbers: headlines, captions, what each criterion asks, what each symbol means."""

__all__ = ["ASKED", "GLOSSARY", "HEADLINE", "MARK"]

HEADLINE = {
    "healthy": "This model is as collapsed as it should be",
    "nonlinear": "Nothing here speaks of a failed training",
    "kl-off": "The KL term does not act on this model",
    "price-too-high": "Every latent collapsed because the price is too high",
    "lower-price": "This model was trained at a lower price than its loss says",
    "higher-price": "This model was trained at a higher price than its loss says",
    "not-converged": "Training has not come to rest",
    "should-be-active": "Latents are inactive that should be active",
    "active-below-threshold": "Latents are active that should be inactive",
    "fits-noise": "Latents live on sampling noise",
    "rows-mismatched": "These posteriors do not belong to these data",
    "decoder-mismatch": "The decoder does not give these data",
    "free-bits": "A KL with free bits",
    "mixed": "Latents share modes that should be theirs alone",
}

MARK = {
    "active": "●",
    "inactive, as predicted": "○",
    "should be active": "▽",
    "inactive, undecided": "◌",
    "active below threshold": "◆",
}

ASKED = {
    "kl-1e-4": "Does the posterior differ from the prior at all?",
    "epsilon-delta": "Does it differ for more than a handful of the data?",
    "active-units": "Does the latent’s mean change at all from datum to datum?",
    "kl-0.01": "Does the latent carry at least a hundredth of a nat?",
    "variance-0.05": "Does the latent’s mean change enough to count as used?",
    "signal-fraction": "Is at least a tenth of the latent’s spread signal rather than noise?",
    "half-variance": "Is more of the latent signal than noise?",
    "fondue": "Is the latent all but free of noise?",
}

GLOSSARY = (
    ("latent", "One of the K numbers of the code; for every datum it has a mean μ and a variance σ²."),
    ("mode", "A principal direction of the data; a linear model gives each living latent a mode of its own."),
    ("knob: {knob}", "The weight of the KL in your loss, by the name that your code gives it."),
    ("τ, price", "What one nat of code costs in units of the data’s variance; the knob, sums, means and factors "
                 "½ of the loss all go into this one number."),
    ("τ̂, price in effect", "The price that the living latents themselves tell, (1 − M²) λ; at rest it is τ."),
    ("λ", "The variance of the data along a mode; a mode is worth a latent where λ is above the price τ."),
    ("V", "The total variance of the data, the sum of all λ."),
    ("T, temperature", "The price as a share of the total variance, τ/V."),
    ("M², signal fraction", "The share of a latent’s second moment that is signal, ⟨μ²⟩/(⟨μ²⟩ + ⟨σ²⟩): 0 is dead, 1 is "
                            "free of noise; at equilibrium it is 1 − τ/λ."),
    ("A², scale", "The second moment ⟨μ²⟩ + ⟨σ²⟩ of a latent over the data; it is 1 in a model at rest."),
    ("R, rate", "How much information a latent carries, its mean KL, in nats."),
    ("Var μ", "How much a latent’s mean varies from datum to datum."),
    ("σ²", "The mean variance of a latent’s posterior; 1, the prior’s own, where it is dead."),
    ("linear", "The share of a latent’s mean that is linear in the data; where it is all of it, the theory is exact."),
    ("dies at", "The knob’s value above which a mode is not worth a latent."),
    ("D̃, distortion", "The share of the variance that a reconstruction leaves out."),
    ("ΔD̃, utility", "By how much the distortion falls with one more latent."),
    ("rank k", "How many latents, or principal components, are kept, the strongest first."),
    ("noise floor", "The price below which latents may live on what a finite sample fakes, in 1 of 100 samples of pure "
                    "noise."),
    ("inactive, undecided", "The theory leaves open whether this latent should be active: its mode is near its "
                            "threshold, or the "
                    "model is not one for which the theory is exact."),
    ("nat", "The unit of information with natural logarithms; 1 nat is 1.44 bit."),
    ("n, d, K", "How many data were encoded, how many features each has, and how many latents the model has."),
)  # fmt: skip
