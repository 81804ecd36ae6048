"""The Image API v1 and the Compute service's image proxy, for Python.

::

    from keystoneauth1.adapter import Adapter
    from osc_image_v1.api import ImageClient, ImageQuery

    client = ImageClient(Adapter(session, service_type="image", interface="public"))
    for image in client.images_detail(ImageQuery(status="active")):
        print(image.id, image.name, image.created_at)

Every name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from osc_image_v1.api.compute_images import ComputeImageClient as ComputeImageClient
    from osc_image_v1.api.fields import ImageFields as ImageFields
    from osc_image_v1.api.http import RetryPolicy as RetryPolicy
    from osc_image_v1.api.image_v1 import ImageClient as ImageClient
    from osc_image_v1.api.models import ComputeImage as ComputeImage
    from osc_image_v1.api.models import Image as Image
    from osc_image_v1.api.models import ImageDetail as ImageDetail
    from osc_image_v1.api.models import Member as Member
    from osc_image_v1.api.queries import ComputeImageQuery as ComputeImageQuery
    from osc_image_v1.api.queries import ImageQuery as ImageQuery

_HOMES = {
    "ComputeImage": "models",
    "ComputeImageClient": "compute_images",
    "ComputeImageQuery": "queries",
    "Image": "models",
    "ImageClient": "image_v1",
    "ImageDetail": "models",
    "ImageFields": "fields",
    "ImageQuery": "queries",
    "Member": "models",
    "RetryPolicy": "http",
}

__all__ = [
    "ComputeImage",
    "ComputeImageClient",
    "ComputeImageQuery",
    "Image",
    "ImageClient",
    "ImageDetail",
    "ImageFields",
    "ImageQuery",
    "Member",
    "RetryPolicy",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
