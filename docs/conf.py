"""The documentation site: ``tox -e site`` builds it; see ``docs/site_extensions`` for what is of our own."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "examples")]

project, author, copyright = "cnnkit", "The cnnkit developers", "The cnnkit developers"
version = release = installed("cnnkit")

extensions = [
    # these write pages
    "site_extensions.repository_pages", "site_extensions.reference", "site_extensions.examples",
    "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode", "numpydoc",
    "site_extensions.mathml", "site_extensions.mermaid", "site_extensions.asv_results",
    "myst_nb", "sphinx_gallery.gen_gallery", "sphinx_design",
]
exclude_patterns = ["_templates", "_examples", "site_extensions", "gallery/*.ipynb", "gallery/*.py"]
templates_path, html_static_path = ["_templates"], ["_static"]
default_role = "py:obj"
root_doc = "index"

# Markdown and notebooks: those of the course run when the site is built, and an error ends the build
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode, nb_execution_timeout, nb_execution_raise_on_error = "force", 300, True
nb_merge_streams = True

# The reference
autosummary_generate, autosummary_ignore_module_all, autosummary_imported_members = True, False, True
autodoc_typehints, autodoc_member_order = "none", "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# The gallery: the scripts that need no data from elsewhere run, the others are shown
sphinx_gallery_conf = {
    "examples_dirs": "_examples", "gallery_dirs": "gallery", "download_all_examples": False,
    "filename_pattern": r"/(autoencoder|gradient_penalty|multilabel|regression|segmentation)\.py$",
        "show_memory": False, "min_reported_time": 1e6, "write_computation_times": False,
    "abort_on_example_error": True,
}

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "cnnkit"
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "cnnkit"}, "show_toc_level": 2, "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"], "footer_start": ["copyright"], "footer_end": [],
    "header_links_before_dropdown": 6, "show_prev_next": True,
}
