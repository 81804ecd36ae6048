"""The least Python that lists images as csv: requests, json and csv. ``floor.py URL [--long]``."""

import csv
import json
import sys
from operator import itemgetter

import requests

BRIEF = ("id", "name", "disk_format", "container_format", "size", "checksum", "status")
LONG = (
    *BRIEF,
    *("is_public", "protected", "owner", "min_disk", "min_ram", "created_at"),
    *("updated_at", "deleted_at", "virtual_size", "properties"),
)

fields = LONG if "--long" in sys.argv else BRIEF
url = sys.argv[1] + "/v1/images/detail"
session = requests.Session()
writer = csv.writer(sys.stdout, quoting=csv.QUOTE_NONNUMERIC)
writer.writerow(fields)
parameters = {"limit": "1000"}
while images := json.loads(session.get(url, params=parameters).content)["images"]:
    writer.writerows(map(itemgetter(*fields), images))
    parameters["marker"] = images[-1]["id"]
