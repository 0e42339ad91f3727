import subprocess
import sys
import time

from actors.edge.process import age_s


def test_the_age_of_a_process_counts_from_before_its_interpreter() -> None:
    code = (
        "import sys; from actors.edge.process import age_s; import time;"
        "before = age_s(); time.sleep(0.2); print(before, age_s())"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    took_s = time.monotonic() - began
    before, after = map(float, done.stdout.split())
    assert 0.0 < before < after <= took_s + 0.02  # the kernel counts in hundredths
    assert after - before >= 0.2


def test_a_process_that_is_older_says_so() -> None:
    assert age_s() > 0
