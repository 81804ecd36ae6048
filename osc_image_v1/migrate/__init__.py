"""Images into a service: where they come from (sources), the job, and where they go (targets)."""
