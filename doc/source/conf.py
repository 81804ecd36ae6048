"""Sphinx: the documentation."""

from importlib import metadata

project = "osc-image-v1"
author = "osc-image-v1 developers"
copyright = author
release = metadata.version("osc-image-v1")

extensions = ["cliff.sphinxext", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = "osc-image-v1"
html_static_path = ["_static"]
html_css_files = ["console.css"]
html_show_sourcelink = False
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
