"""Agents as composable modules: belief, policy, action value."""

from .actor_critic import *
from .agent import *
from .architectures import *
from .belief import *
from .contract import *
from .description import *
from .initial import *
from .linear import *
from .sequence import *
from .stack_contract import *
from .stacked import *
from .step_policy import *
from .trying import *
