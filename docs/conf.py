"""The documentation as a site: ``sphinx-build -W -b html docs OUT``. It needs no network.

Pages that are made from the code (agents, options, commands, reference) are written to ``docs/made`` first.
"""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ |= {"TTY_COMPATIBLE": "0", "NO_COLOR": "1"}  # a kernel pretends to be a terminal
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # the kernel's debugger, on stderr

import diagrams
import pages

project = "modnav"
author = "The modnav developers"
project_copyright = "The modnav developers, Apache-2.0"
version = release = version_of("modnav")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "myst_nb",
    "mathml",
    "mermaid",
    "streams",
]
exclude_patterns = ["_ext", "pictures", "made/*.inc.md"]

myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

nb_execution_mode = os.environ.get("MODNAV_DOCS_EXECUTE", "force")  # or `cache`, `off`
if nb_execution_mode == "off":
    suppress_warnings = ["myst-nb.lexer"]  # which only a kernel tells
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 600
nb_merge_streams = True
nb_output_stderr = "remove"  # bars; a command that fails ends the build

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False  # those of Lightning refer to pages of its own
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_math_renderer = "mathml"
html_title = f"modnav {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}


def setup(app: Any) -> None:
    """Write the pages that are made from the code."""
    made = HERE / "made"
    diagrams.write_all(made)
    pages.write_all(made)
