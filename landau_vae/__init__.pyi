from . import datasets as datasets
from . import diagnosis as diagnosis
from . import intervals as intervals
from . import loss as loss
from . import numeric as numeric
from . import plotting as plotting
from . import report as report
from . import spectrum as spectrum
from . import symbolic as symbolic
from . import training as training
from . import verification as verification
from .diagnosis._diagnose import diagnose as diagnose
from .errors import InputError as InputError
from .errors import OutsideTheory as OutsideTheory
from .errors import TooFewSamples as TooFewSamples
from .intervals._uncertainty import uncertainty as uncertainty
from .loss import Loss as Loss
from .numeric._choose_beta import choose_beta as choose_beta
from .numeric._equilibrium import equilibrium as equilibrium
from .numeric._transitions import transitions as transitions
from .numeric.continuation._follow import follow as follow
from .numeric.continuation.hysteresis_sweep import hysteresis as hysteresis
from .spectrum import Spectrum as Spectrum
from .training._scan import scan as scan
from .verification._spectroscopy import spectroscopy as spectroscopy
from .verification._verify import verify as verify

__version__: str
