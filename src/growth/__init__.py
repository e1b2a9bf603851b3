"""Growth Autopilot: reads a site and its events, writes dry-run job requests and a report, and never runs anything."""
