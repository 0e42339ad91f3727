"""The data as files and frames, to train with: `from actors.dataset import Dataset`."""

from actors.dataset.frames import Dataset as Dataset
from actors.dataset.split import split as split
