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
    from osc_image_v1.api.bodies import ImageData as ImageData
    from osc_image_v1.api.compute_images import ComputeImageClient as ComputeImageClient
    from osc_image_v1.api.fields import ImageFields as ImageFields
    from osc_image_v1.api.image_v1 import ImageClient as ImageClient
    from osc_image_v1.api.models import ComputeImage as ComputeImage
    from osc_image_v1.api.models import Image as Image
    from osc_image_v1.api.models import ImageDetail as ImageDetail
    from osc_image_v1.api.models import ImagePage as ImagePage
    from osc_image_v1.api.models import Member as Member
    from osc_image_v1.api.queries import ComputeImageQuery as ComputeImageQuery
    from osc_image_v1.api.queries import ImageQuery as ImageQuery
    from osc_image_v1.api.queries import SortDirection as SortDirection
    from osc_image_v1.api.queries import SortKey as SortKey
    from osc_image_v1.api.retries import RetryPolicy as RetryPolicy

_HOMES = {
    "ComputeImage": "models",
    "ComputeImageClient": "compute_images",
    "ComputeImageQuery": "queries",
    "Image": "models",
    "ImageClient": "image_v1",
    "ImageData": "bodies",
    "ImageDetail": "models",
    "ImageFields": "fields",
    "ImagePage": "models",
    "ImageQuery": "queries",
    "Member": "models",
    "RetryPolicy": "retries",
    "SortDirection": "queries",
    "SortKey": "queries",
}

__all__ = [
    "ComputeImage",
    "ComputeImageClient",
    "ComputeImageQuery",
    "Image",
    "ImageClient",
    "ImageData",
    "ImageDetail",
    "ImageFields",
    "ImagePage",
    "ImageQuery",
    "Member",
    "RetryPolicy",
    "SortDirection",
    "SortKey",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
