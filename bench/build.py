"""Print which build of this project an interpreter has, and what beside it, as JSON."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version

import openstackclient.shell

import osc_image_v1

assert openstackclient.shell


def which(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


packages = ("osc-image-v1", "python-openstackclient", "python-glanceclient", "cliff", "requests")
versions = {"Python": platform.python_version(), **{name: which(name) for name in packages}}
print(json.dumps({"place": osc_image_v1.__file__, "versions": versions}))
