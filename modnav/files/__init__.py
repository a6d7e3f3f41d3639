"""Files: written whole or not at all, read without running what is in them."""

from .atomic import *
from .names import *
from .pandas_pickles import *
from .pickles import *
from .regular import *
from .stand_ins import *
from .whole import *
from .yaml_files import *
