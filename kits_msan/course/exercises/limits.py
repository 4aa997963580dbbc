"""An end for a student's function that does not end by itself."""

import _thread
import threading
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 60.0  # seconds for one input; a right answer takes milliseconds, but may import much


@contextmanager
def interrupted_after(seconds: float | None) -> Iterator[None]:
    """Raise KeyboardInterrupt in the body if it takes longer, as the stop button would; None: never.

    Only in the main thread, where Jupyter runs cells; elsewhere nothing is limited. A call into C, such as
    `time.sleep`, is interrupted when it returns.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    lock, over = threading.Lock(), False

    def interrupt() -> None:
        with lock:
            if not over:
                _thread.interrupt_main()

    timer = threading.Timer(seconds, interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            over = True
