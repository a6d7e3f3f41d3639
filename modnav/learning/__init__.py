"""TD3 over whole trials: replay, losses, the stream of experience, the Lightning modules."""

from .batches import *
from .captured import *
from .counters import *
from .experience import *
from .learner import *
from .length_index import *
from .meeting import *
from .memory import *
from .population import *
from .precision import *
from .replay import *
from .ring import *
from .schedule import *
from .stack import *
from .stackable import *
from .stream import *
from .td3 import *
from .validation import *
