"""An executor that runs one stage at a time in a thread of this process."""

from concurrent.futures import ThreadPoolExecutor

from lanser_bench import Executor, PluginOptions, hookimpl


@hookimpl
def register_executors(register):
    """Registers the executor as `one-thread`."""
    register("one-thread", f"{__name__}:OneThread")


class OneThreadOptions(PluginOptions):
    """Options of the executor."""

    threads: int = 1
    """CPU threads of a stage."""


class OneThread(Executor[OneThreadOptions]):
    """Runs stages in the order of submission, one at a time."""

    Options = OneThreadOptions
    version = "1"

    def __init__(self, options):
        """Keeps the options; the thread starts with the first stage."""
        super().__init__(options)
        self._pool = ThreadPoolExecutor(max_workers=1)

    @property
    def threads(self):
        """CPU threads that stages may use together."""
        return self.options.threads

    def submit(self, call):
        """Returns a future of the report; `call` may also be sent to another machine."""
        return self._pool.submit(call.run)

    def close(self, *, cancel=False):
        """Waits for the running stage; drops waiting ones if `cancel`."""
        self._pool.shutdown(cancel_futures=cancel)
