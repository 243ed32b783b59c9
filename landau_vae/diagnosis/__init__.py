"""Models that were trained anywhere, diagnosed by their posteriors: collapsed as predicted, or badly trained?

Read in this order: `diagnose`, `Diagnosis`, `findings/` (one rule per cause, sorted by
subject), `criteria`, `ranked_pruning`, `recommendations`.
"""

from landau_vae.diagnosis._diagnose import diagnose
from landau_vae.diagnosis._explain import Explanation, explain
from landau_vae.diagnosis._monitor import Monitor, MonitorWarning
from landau_vae.diagnosis.criteria import CRITERIA, Criterion
from landau_vae.diagnosis.diagnosis import Diagnosis
from landau_vae.diagnosis.findings import CODES
from landau_vae.diagnosis.modes import Observed
from landau_vae.diagnosis.posterior import Posterior
from landau_vae.diagnosis.ranked_pruning import Decoded
from landau_vae.diagnosis.recommendations import Recommendation, recommend
from landau_vae.diagnosis.run_log import RunLog, read_run

__all__ = [
    "CODES", "CRITERIA", "Criterion", "Decoded", "Diagnosis", "Explanation", "Monitor", "MonitorWarning", "Observed",
    "Posterior", "Recommendation", "RunLog", "diagnose", "explain", "read_run", "recommend",
]  # fmt: skip
