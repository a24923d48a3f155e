"""How the scripts in this folder say what they found: one line a check, and a last line with the counts.

A check is a function. It passes if it returns, and fails if it raises; what it returns, if anything, is added to its line.
"""

import sys
import time
import traceback

passed = failed = skipped = 0


def check(what, body):
    """Runs one check; the others go on if it fails. Gives what it returned, or None."""
    global passed, failed
    began = time.monotonic()
    try:
        found = body()
    except Exception:
        failed += 1
        print(f"FAILED: {what}\n{traceback.format_exc()}", flush=True)
        return None
    passed += 1
    said = f" ({found})" if isinstance(found, str) else ""
    print(f"ok: {what}{said} [{time.monotonic() - began:.1f} s]", flush=True)
    return found


def skip(what, reason):
    """Says what is not checked, and why."""
    global skipped
    skipped += 1
    print(f"skipped: {what}: {reason}", flush=True)


def equal(found, wanted, what="value"):
    """Fails if the two differ."""
    if found != wanted:
        raise AssertionError(f"{what} is {found!r}, and should be {wanted!r}")


def until(what, condition, seconds=60):
    """Waits until the condition gives something true, and returns that; fails after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)


def finish():
    """Ends the script: with status 1 if a check failed."""
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    sys.exit(1 if failed else 0)
