"""disk_faults"""

from fault import Fault

FAULTS: tuple[Fault, ...] = ()
