"""Print the reference page of all settings: `python -m actors.config`."""

import sys

from actors.config.manual import markdown

sys.stdout.write(markdown())
