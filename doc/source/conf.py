"""Sphinx: the documentation."""

from importlib import metadata

project = "osc-image-v1"
author = "osc-image-v1 developers"
copyright = author
release = metadata.version("osc-image-v1")

extensions = ["cliff.sphinxext", "sphinx.ext.autodoc"]
html_theme = "alabaster"
html_theme_options = {
    "description": "OpenStack command line for the Image API v1 and the Compute image proxy",
    "fixed_sidebar": True,
    # A hundred characters of a console.
    "page_width": "1260px",
    "body_max_width": "980px",
    "code_font_size": "0.8em",
}
html_show_sourcelink = False
pygments_style = "sphinx"
highlight_language = "none"

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"

autoprogram_cliff_application = "openstack"
# What every command has, and reference/output tells.
autoprogram_cliff_ignored = [
    "--help",
    "--format",
    "--column",
    "--quote",
    "--noindent",
    "--variable",
    "--prefix",
    "--max-width",
    "--fit-width",
    "--print-empty",
    "--sort-column",
    "--sort-ascending",
    "--sort-descending",
]
