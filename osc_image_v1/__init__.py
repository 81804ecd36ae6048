"""Image API v1 and the Compute service's image proxy for the OpenStack command line."""
