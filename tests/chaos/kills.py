"""kills"""

from fault import Fault

FAULTS: tuple[Fault, ...] = ()
