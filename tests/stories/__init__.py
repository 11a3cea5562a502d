"""Stories: real data, and the commands that a user runs on them, from the file to the forecast.

The data come with packages; nothing is copied or downloaded. STORIES=full runs all of them and
writes docs/stories.md; without it, those that are marked as slow are left out.
"""

import os

FULL = os.environ.get("STORIES") == "full"
