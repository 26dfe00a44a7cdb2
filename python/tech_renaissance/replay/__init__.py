"""Running a server again on a failure that was kept."""
