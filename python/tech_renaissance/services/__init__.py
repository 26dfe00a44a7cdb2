"""Services that a command runs and watches: `python -m tech_renaissance serve`."""
