"""Images into a service: where they come from, the job, and where they go."""
