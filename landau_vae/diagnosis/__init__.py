"""Models that were trained anywhere, diagnosed by their posteriors: collapsed because they should be, or not?"""

from landau_vae.diagnosis._diagnose import diagnose
from landau_vae.diagnosis.criteria import CRITERIA, Criterion
from landau_vae.diagnosis.diagnosis import Diagnosis
from landau_vae.diagnosis.evidence import Evidence, Finding
from landau_vae.diagnosis.recommendations import Recommendation, recommend

__all__ = ["CRITERIA", "Criterion", "Diagnosis", "Evidence", "Finding", "Recommendation", "diagnose", "recommend"]
