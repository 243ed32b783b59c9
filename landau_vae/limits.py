"""The numbers that decide verdicts, each with what it limits and where it was measured.

A `Limit` is a float that knows its meaning and its origin; `table()` lists them all. A rule
that needs another number adds it here. Every one that was measured names the models or data it
was measured on.
"""

from landau_vae.display import Column, Table


class Limit(float):
    """A number that decides a verdict.

    >>> limit = Limit(0.1, "M² from which a latent is active", "Hirn, arXiv:2605.22691")
    >>> 0.2 > limit, limit.meaning
    (True, 'M² from which a latent is active')
    """

    meaning: str  #: what it limits, with its unit
    origin: str  #: a source, or where and on what it was measured

    def __new__(cls, value: float, meaning: str, origin: str = "chosen; not measured") -> "Limit":
        """Make the number and remember where it is from."""
        limit = super().__new__(cls, value)
        limit.meaning, limit.origin = meaning, origin
        return limit


def table() -> Table:
    """Return all limits: name, value, meaning, origin."""
    limits = {name: value for name, value in globals().items() if isinstance(value, Limit)}
    return Table(
        [
            Column("limit", list(limits), text=True),
            Column("value", list(limits.values()), lambda value: f"{value:g}"),
            Column("meaning", [each.meaning for each in limits.values()], text=True),
            Column("origin", [each.origin for each in limits.values()], text=True),
        ]
    )


# ---------------------------------------------------------------------------------- of both: diagnosis and verification

ACTIVE = Limit(0.1, "M² from which a latent counts as active", "J. Hirn, arXiv:2605.22691")

# ------------------------------------------------------------------------------------ slips of convention

FACTOR_OF_SLIP = Limit(0.05, "|ln| of the ratio of two factors on every threshold that are taken for the same")
PRICE_OF_SLIP = Limit(0.1, "|ln| of the ratio of two prices of one model that are taken for the same")

# ------------------------------------------------------------------------------------------------------------ diagnosis

# What counts as encoded, and as missing.
DETECTED = Limit(0.05, "M² of a mode, beyond what chance gives, from which it counts as encoded")
EXPECTED = Limit(0.2, "predicted M² from which a mode that is not encoded counts as missing")
COLLAPSED = Limit(0.03, "M² of all latents below which a model has collapsed")
WEAK = Limit(
    0.003, "the same for likelihoods other than squared errors, whose latents may be weak well below the threshold",
    "Laplace and negative binomial networks at 0.9 of their first thresholds: M² 0.013 and 0.018; collapsed ones: 1e-5",
)  # fmt: skip
DEGENERATE = Limit(0.005, "nats that rotating two modes into one another costs, up to which they are one group")
PURE = Limit(0.8, "share of a latent's alignment with one mode from which it is not mixed")
INVOLVED = Limit(0.1, "ρ² from which a rotated latent takes part in a mode")
MOSTLY_LINEAR = Limit(0.5, "linear share of a latent's mean from which its mode can be named")

# Data, units, decoder.
OTHER_SCALE = Limit(
    1.6,
    "slope of data on reconstructions, or its inverse, from which they are in other units",
    "tests/studies, 93 healthy networks: slopes from 0.85 to 1.08",
)
OTHER_MEAN = Limit(
    0.3,
    "share of the squared error that is one constant for all rows, from which data are shifted",
    "tests/studies, 93 healthy networks: at most 0.03",
)
UNRELATED = Limit(0.05, "correlation of data and reconstructions below which codes belong to other rows")
WORSE_THAN_CONSTANT = Limit(0.02, "relative excess of the error over that of the best constant output")
WORSE_DECODER = Limit(1.15, "distortion over that of the best linear decoder, which no decoder of these data exceeds")
ROW_MISMATCH = Limit(
    0.25, "excess distance of neighbouring rows' codes from which codes and rows do not belong together"
)
BINARY = Limit(1e-6, "relative distance of a variance from x̄(1 − x̄) up to which a column is zeros and ones")
BLURRING_ROWS = Limit(5, "rows per feature below which the modes of a sample are blurred")
NOISY_ROWS = Limit(10, "rows per feature below which sampling noise may be encoded")
KNOWN_BULK = Limit(10, "eigenvalues of noise from which its level is known")

# Heads.
DIVERGED = Limit(10.0, "⟨σ²⟩ from which a posterior has diverged")
FROZEN = Limit(1e-3, "distance of σ² from 1 that a head which cannot fall below 0 leaves")
OUT_OF_BOUNDS = Limit(2e-3, "relative distance of σ² from a bound of its head from which it is not at it")
HIDDEN = Limit(0.5, "share of the variance that z = μ leaves, with posteriors as wide as the prior")
MEANS_AGREE = Limit(
    1.25, "factor between stated price and that by means, with noise of another width, that confirms it"
)
MODES_OF_A_LAW = Limit(3, "modes from which the width of the noise is read off a linear model alone")
OFFSET_COST = Limit(0.05, "nats that a latent pays for a constant mean from which it is a fault")
OFFSET_SHARE = Limit(0.1, "share of a latent's rate that its constant mean costs, from which it is a fault")
SAME_SPREAD = Limit(0.02, "relative difference of Var μ between latents up to which a batch norm made them equal")

# The price in effect.
SURELY = Limit(4.0, "standard errors by which a measured price, or onset, must differ before it is said to")
TELLS_A_PRICE = Limit(0.05, "1 − ⟨σ²⟩ from which a latent tells the price that it obeys")
OTHER_PRICE = Limit(
    1.5,
    "factor between the measured and the stated price from which they differ",
    "tests/studies, 93 healthy networks: 0.92 … 1.07; the least slip looked for is 2",
)
SEPARATE = Limit(
    0.75,
    "ratio of two latents' measured prices below which they do not obey one price",
    "tests/studies, 93 healthy networks: latents of one network between 0.83 and 1.16 of the price",
)
NEAR_PRICE = Limit(
    1.1, "factor between the measured and the stated price from which it is remarked",
    "tests/studies, 93 healthy networks: 0.92 … 1.07, on training and on held-out rows",
)  # fmt: skip
AT_ODDS = Limit(
    1.6, "factor between the prices by means and by widths, of training rows, from which the two are said to differ",
    "tests/studies, 93 healthy networks: 0.80 … 1.40 on training rows, 0.52 … 1.38 on held-out rows",
)  # fmt: skip
LARGEST_BATCH = Limit(4096.0, "rows per batch up to which a sum over them is named as the cause of a price")
SUMMED = Limit(4.0, "factor in a price from which a sum over the batch in one term may be its cause")
PRICE_ERROR = Limit(0.15, "|ln| of the ratio of two prices of a linear model that agree, given noise and a finite run")
MOVING_SCATTER = Limit(0.05, "scatter of the modes' prices up to which they are trusted before convergence")
SMALL_SCATTER = Limit(0.1, "scatter of the modes' prices up to which all but the axes is as it should be")
LINEAR_LOWEST = Limit(0.1, "least ratio of the linear reading to the price in healthy nonlinear models")
LINEAR_HIGHEST = Limit(4.0, "largest ratio of the linear reading to the price in healthy nonlinear models")
WEAK_KL = Limit(0.2, "ratio of the modes' price to that of the loss below which the KL term has no effect")
NO_KL = Limit(0.02, "ratio of the latents' price to that of the loss below which the KL term has no effect")
MOST_LATENTS = Limit(0.5, "share of latents that are active where the KL term has no effect")

# Convergence: A² is 1 at any stationary point.
SCALE_ERROR = Limit(
    0.1,
    "median |ln A²| of active latents that a converged run does not exceed",
    "tests/studies, 93 healthy networks: medians up to 0.098 on training rows",
)
FREE_SCALE = Limit(0.25, "median |ln A²| from which nothing holds the latents' scale")
SCALE_AT_REST = Limit(0.02, "median |ln A²| of a model that is surely converged")
SCALE_NEAR_REST = Limit(0.05, "median |ln A²| of a model that has converged but for its learning rate")

FAR_SCALE = Limit(0.7, "median |ln A²| that, with means and widths at odds, no healthy network has")

# Inactive latents.
PAYS = Limit(
    1.1,
    "onset of the next latent over the price from which a further latent would pay",
    "tests/studies, 93 healthy networks: 95 % below 1.11 with inactive latents left",
)
WAITING = Limit(
    2.0,
    "onset over the price from which, with A² off, a run was too short",
    "tests/studies, 93 healthy networks: at most 1.41 with inactive latents left",
)
SURELY_UNSTABLE = Limit(1.1, "λ₁ over the price from which a collapsed model should not be")
WORTH = Limit(0.01, "gain over the collapsed state, in prices of a nat, from which another state is worth looking for")

# Linear or not.
LINEAR_SHARE = Limit(0.9, "share of μ that is linear in x, below which an encoder is nonlinear")
SURELY_LINEAR = Limit(1e-3, "share of μ that is not linear in x, below which an encoder is linear")
BETTER_DECODER = Limit(0.9, "distortion over that of the best linear decoder, below which a decoder is nonlinear")

# Constraints on the rate.
RATE_REACHED = Limit(0.05, "relative distance of a rate from the one that a constraint demands, up to which it is met")
RATE_OF_ROWS = Limit(
    0.15, "the same, of a constraint on each row, where the mean over rows is not held itself",
    "tests/studies/constraint_per_row.json: rates from 0.86 of the limit on",
)  # fmt: skip
RATE_MISSED = Limit(0.2, "the same, from which it is missed")

# Free bits.
EQUAL_RATES = Limit(1.03, "ratio of the rates of latents that are one and the same")
NEARLY_EQUAL_RATES = Limit(1.15, "the same, of latents that are known to pay less than the price")
FREE_RATE = Limit(0.05, "nats from which a rate that latents share is taken for a limit")

# ----------------------------------------------------------------------------------- explained: two numbers of a loop

UNITS = Limit(100.0, "ratio of the standard deviations of two columns from which their units are taken to differ")
MEAN_PREDICTED = Limit(0.01, "share of the variance explained, below which a reconstruction is the mean predictor's")
NETWORK_RATE_LEAST = Limit(
    0.4, "least KL of trained networks over that of a linear model at the same price",
    "tests/studies/expected_kl.json, 66 networks on eleven data sets: 0.41 (clusters)",
)  # fmt: skip
NETWORK_RATE = Limit(
    2.0, "largest KL of trained networks over that of a linear model at the same price",
    "the same networks: 1.98 (digits)",
)  # fmt: skip
NETWORK_GAIN = Limit(
    2.3, "what nats save of the error in trained networks, over what they save in the best linear model",
    "the same networks: 1.00 to 2.23",
)  # fmt: skip
TOO_GOOD = Limit(5.0, "the same, beyond which two numbers are not taken for those of one model", "twice the largest")

# -------------------------------------------------------------------------------------------------- absolute errors

ATOM = Limit(0.5, "share, of the rows within a kernel's width of the median, of those exactly at it: more is an atom")

# ------------------------------------------------------------------------------------------------------------- frontier

MEMORISED = Limit(0.8, "loss over that of naming each row, from which the best VAE memorises single rows")

# ------------------------------------------------------------------------------------------------------- first collapse

FEW_ROWS = Limit(5.0, "rows that share the rate, below which a phase is one of outliers")
ORDER_MOVES = Limit(0.05, "share of τ_M/λ₁ − 1 up to which two more degrees of the decoder may move it")
ORDER_MATTERS = Limit(0.2, "share of the sampling error of τ_M up to which two more degrees may move it")

# ----------------------------------------------------------------------------------------- order of the first collapse

FOURTH_MOMENT_ROWS = Limit(20, "rows, or groups of rows, from which a fourth moment and its error are formed")
ORDER_RESOLVED = Limit(0.01, "τ_Maxwell/λ₁ − 1 from which a first collapse counts as first-order")
ORDER_VISIBLE = Limit(0.05, "largest τ_Maxwell/λ₁ − 1 that the errors of a continuous collapse may allow")
ORDER_MARGIN = Limit(
    3.0,
    "standard errors from the resolution from which a collapse is first-order",
    "tests/networks/test_onset.py: none of 20 Gaussian samples of 400 rows reaches it",
)
CARRIED = Limit(0.2, "share of the fourth moment in one distinct row from which it is named")
REPEATED = Limit(0.5, "share of rows that are distinct, below which it is said that they repeat")
FEW_CARRY = Limit(0.05, "share of rows that use a latent below which its state is one of outliers")
TRIMMED = Limit(0.005, "share of rows, those that matter most, whose removal shows what the Maxwell point rests on")

# ----------------------------------------------------------------------------------------- of training and verification

AT_REST = Limit(0.01, "M² that a model may have to go to count as at rest")
WORSE_THAN_DEAD = Limit(
    0.025, "loss above that of the best constant output, in prices at T = 1, from which a network is not at rest"
)
LARGE_FEATURES = Limit(100.0, "mean variance of a feature from which its scale is the likelier cause of divergence")


# --------------------------------------------------------------------------------------------------------- verification

# Branches: which latents are active, which points their lines go through.
ACTIVE_EXACTLY = Limit(
    1e-3, "M² from which a latent counts as active after exact training", "exact training leaves M² of 1e-5"
)
FITTED = Limit(0.5, "M² above which branches of models trained by samples are fitted")
FIT_RANGE = Limit(10.0, "factor below a branch's end down to which temperatures are fitted")
UTILITY_READ = Limit(0.3, "T/T_k at which utilities of models trained by samples are read")
SURELY_COLLAPSED = Limit(1.5, "T/T_k from which a latent trained by samples must be inactive")

# Verdicts, with standard errors over seeds.
CONFIDENCE = Limit(0.95, "confidence of intervals over seeds, and of all modes' verdicts together")
RESOLVED = Limit(0.1, "relative allowance for noise up to which a threshold or utility is resolved")
RESOLVED_EXPONENT = Limit(
    0.3, "allowance for noise up to which an exponent is resolved: it distinguishes 1 from ½ and 2"
)
EXPONENT_ERROR = Limit(0.1, "error of an exponent in finite runs, since an M² with 0.01 to go moves it by as much")

# Networks.
OF_NETWORKS = Limit(
    0.1, "relative difference, beyond errors, up to which networks agree with the nonlinear theory",
    "tests/studies/staircase.json: onsets on Gaussian data within 0.02 of λ/V",
)  # fmt: skip
OTHER_ROWS = Limit(
    1e-3,
    "distance between covariances, as a share, from which rows are others than in training",
    "chosen, for rows that were rounded in a file",
)
LIVING = Limit(
    0.005,
    "least M² of a network in a living state",
    "chosen; most collapsed networks (2 × 32, 1 500 updates, seven data sets) have less than 0.001",
)
BEGINS_FROM = Limit(0.05, "nats of a latent, from which on a line through its rates shows where it begins")
BEGINS_TO = Limit(0.3, "nats of a latent, up to which that line goes")
UTILITY = Limit(0.9, "R² about the diagonal from which onsets are called utilities")
KERNEL_ROWS = Limit(
    10.0,
    "median of the rows in a kernel, below which no onset is read off codes",
)
NOT_NORMAL = Limit(1e-3, "p-value of Mardia's tests below which rows are not Gaussian")

# Scans.
OUT_OF_RANGE = Limit(
    1e-6,
    "by which a value of a scan may be out of its range, as rounding",
    "networks in float32: shares of 1 are off by up to 1.2e-7",
)

# Causes.
CHANGED = Limit(
    1e-6,
    "difference of an observable from what others make it, as a share, up to which none was changed",
    "seven trainers (Exact, Sampled, Neural in float32) at five prices: up to 5e-8 for the loss, 1.2e-7 for pruning",
)
COMMON_FACTOR = Limit(0.05, "|ln| scatter of the ratios of thresholds up to which they are one factor")
PLATEAU_WATCHED = Limit(0.3, "T/T_k at which the time to leave the plateau is computed")
OTHER_SEED = Limit(0.2, "relative distance from the median over seeds from which a threshold is another")
SEED_AT_REST = Limit(0.8, "share of a seed's latents at rest from which it did not merely end early")

# Dynamics: activation times.
ACTIVATION_ERROR = Limit(
    0.5,
    "powers of e in amplitude by which an activation may miss its predicted time",
    "3900 activations (2 to 7 modes, λ = 0.1 … 12, 1 to 10 latents, starts of 0.001 … 0.03): three were further out, "
    "by up to 0.72, all with two modes within 10 % of one another and too few latents",
)
BATCH_NOISE = Limit(0.1, "power from the noise of batches, over that of the start, up to which it is small")
OVERSHADOWED = Limit(0.4, "share of a start's amplitude that earlier modes must leave, because others turn before")
ALIKE_MODES = Limit(0.02, "relative difference of eigenvalues up to which modes leave the plateau as one multiplet")
WEAK_MODE = Limit(0.1, "λ, data², below which cold modes may be early by ½ ln(0.1/λ) powers of e: σ² falls first")

# Dataset size.
SIZE_CONFIDENCE = Limit(0.999, "confidence of the Student interval that a refuted prediction misses")
FINITE_SIZE = Limit(3.0, "multiple of 1/n by which closed forms of infinite size may be off, the mean included")

# Decoders.
SAME_OUTPUT = Limit(1e-4, "difference of two outputs, as a share of the largest, up to which it is rounding")
BETTER_LINK = Limit(
    0.5,
    "squared error with a function after the outputs, over that without, below which they lack it",
    "PCA decoders of six tables of scikit-learn (raw, standardised, from 0 to 1; 0 to 5 components; biases too small): "
    "none of 432 below it and worse than a constant; logits in place of values from 0 to 1: all of 84 below 0.14",
)

# The first collapse to quartic order.
QUARTIC_JUMP = Limit(
    5e-4,
    "c²/B at the first collapse, c the quadratic amplitude in √λ₁, up to which the quartic gives τ* − λ₁ to a tenth",
    "τ* of 29 data sets (gamma, two smoothed points, cubic deformations of a normal one, bent in two dimensions), the "
    "decoder solved to order 6: the 22 below both limits within 7 %; beyond them errors grow, to 20 % at c²/B = 0.001",
)
QUARTIC_SKEWNESS = Limit(
    0.3,
    "skewness of the first principal component up to which the quartic gives τ* − λ₁ to a tenth",
    "the same data sets: 5 % off at 0.28, 8 % at 0.35 for two smoothed points, where B is large",
)

# ------------------------------------------------------------------------------------------------------ sampling errors

FREEDOM = Limit(
    0.7, "degrees of freedom of an interval for each row that carries its error",
    "a pilot of tests/studies/interval_coverage.py: Satterthwaite's 2 holds λ in 75 % of tables of t with 3 degrees",
)  # fmt: skip
INTERVAL_ROWS = Limit(
    12, "rows, or blocks, from which intervals are given",
    "the same pilot: 95 % intervals hold below 85 % in 7 of 85 kinds of table of 8 to 11 rows, none of 192 of 12 to 49",
)  # fmt: skip
ROWS_PER_MODE = Limit(3, "rows for each mode down to a group's last from which it has an interval", "the same pilot")
INTERVAL_BIAS = Limit(1.0, "standard errors that the bias of an interval's centre may be", "the same pilot")
INTERVAL_REPULSION = Limit(
    4.0, "standard errors that modes above and below may add to a bias, where they nearly cancel",
    "λ_k = 1/k, 400 rows of 100 columns, two clusters: 95 % intervals hold 55 % of modes beyond it, 98 % below",
)  # fmt: skip
SMALL_BIAS = Limit(0.03, "share of the eigenvalue up to which its bias may be any number of errors", "the same pilot")
BIAS_SHOWN = Limit(0.05, "share of an eigenvalue from which its bias is reported")
HEAVY_ROWS = Limit(
    5.5, "rows N that carry the errors of half of the modes, below which tails are heavy",
    "150 tables of 60 to 800 rows of each law: normal and two points 0, t5 7, exponential 14, t3 82, lognormal 109",
)  # fmt: skip
HEAVY_SHARE = Limit(0.015, "the same, over all rows; of Gaussian data it is 1/15 or more", "the same tables")
DEPENDENT = Limit(1.2, "error by blocks over error by rows from which rows of one block depend on one another")
CROWDED = Limit(0.1, "d/n from which the noise floor is reported")
GROUP_RANGE = Limit(2.0, "λ_first/λ_last of a group from which its mean says little about its members")
FALSE_ORDER = Limit(
    0.02, "share of tables of independent rows in which some are said to follow their neighbours",
    "a bound; 4 of 1200 tables of 60 to 800 rows of eight laws",
)  # fmt: skip
FEW_BLOCKS = Limit(16, "blocks that a table must have before their length is suggested")
ORDER_MATTERS_FROM = Limit(1.1, "factor by which errors are too small from which the order of rows is spoken of")
RUNS_COMPARED = Limit(16, "runs of rows from which neighbours are compared with one another")

# ---------------------------------------------------------------------------------------------------- noise floor

MODE_TAILS = Limit(
    3.0, "standard errors of a normal law's kurtosis by which that of a mode's projections shows heavy tails",
    "tests/studies/noise_tails.json: normal rows with a mode above the floor lose it in ≤ 2 % of samples",
)  # fmt: skip
NOISE_TAILS = Limit(
    3.0, "standard errors by which the squared lengths of rows vary more than those of normal noise",
    "tests/studies/noise_tails.json, as above",
)  # fmt: skip
FOUND_AGAIN = Limit(
    2.5, "standard errors by which a direction of one half of the rows has more variance than noise in the other half",
    "tests/studies/noise_tails.json: 17 laws and 7 shapes, noise is above the floor without a caveat in ≤ 5 % of sets",
)  # fmt: skip
ODDS = Limit(
    100.0, "gain of bets that long rows of one half point along a mode of the other, from which it is found",
    "Ville's inequality: rows without such a direction gain as much in ≤ 1 % of samples",
)  # fmt: skip
SHARED = Limit(
    0.25, "squared overlap of a mode with the directions found again, mean of both halves, from which it is one",
    "t₅, t₄, gamma(½), Laplace, 6 shapes, 200 sets each: 0.5 has as much noise above the floor; it loses 8 % of "
    "signals in t₅ of four times the critical variance (200 × 20) that 0.25 finds",
)  # fmt: skip
FEWEST_ROWS = Limit(8, "rows from which the tails of noise are looked at", "each half has a variance then")

# ---------------------------------------------------------------------------------------------------- while it trains

PRICE_MOVES = Limit(1e-6, "change of the price applied, in stated prices and beyond its error, from which it moves")
PRICE_STANDS = Limit(2.0, "how long it must stand still to count as fixed, over the time between its last two changes")
FIRST_LOOKS = Limit(5, "batches looked at from which a price applied that has not moved counts as fixed")
OTHER_NOISE = Limit(0.1, "difference of ⟨ε²⟩ from 1, beyond its error, from which z is not μ + σε", "chosen")
LOOKS = Limit(20, "batches looked at from which it is said what hardly any update would leave as it is")
OTHER_APPLIED = Limit(
    1.02, "factor between the price applied and the stated one from which they differ",
    "tests/studies/watched.json, healthy networks: within 1e-6 in single precision",
)  # fmt: skip
EXACT_PRICE = Limit(0.02, "error of the price applied, in stated prices, up to which it is taken as exact")
UNKNOWN_PRICE = Limit(0.5, "the same, from which nothing is known of it")
FAINT = Limit(1e-6, "⟨μ²⟩ of a latent below which its KL is rounding of single precision, and its price is not judged")
PRICE_AT_REST = Limit(0.1, "relative difference, beyond errors, of the price in effect from the one applied, at rest")
STEADY = Limit(0.05, "relative change of the rate between two parts of a window up to which it stands still")
PLATEAU_OUTLASTED = Limit(
    1000.0, "updates over the least that a mode needs to leave the plateau, from which it had the time",
    "tests/studies/watched.json, healthy networks at most 0.67 of the threshold: up to 260, all but one up to 20",
)  # fmt: skip
GROWING = Limit(2.0, "factor between the largest M² of two parts of a window from which a latent is on its way")
FAR_BELOW = Limit(1.5, "λ₁ over the price from which a model that is still collapsed should have left the plateau")
