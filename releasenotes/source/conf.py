"""Sphinx: the release notes."""

project = "osc-image-v1 Release Notes"
author = "osc-image-v1 developers"
copyright = author
extensions = ["reno.sphinxext"]
html_theme = "furo"
html_title = project
html_show_sourcelink = False
