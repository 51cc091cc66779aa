"""What can go wrong with a jailed job."""


class JailRefused(Exception):
    """This machine cannot confine a process, so nothing was run. The message says what is missing."""


class ParentGone(Exception):
    """The process that a job was forked from is not there, or died with it: start the job anew, without it."""


class JobFailed(Exception):
    """The job ended without a result.

    `message` is a sentence for people; it may quote the job and is therefore untrusted text.
    `stderr_tail` holds the last lines that the job wrote to its error stream, untrusted too.
    """

    def __init__(self, message: str, stderr_tail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.stderr_tail = stderr_tail


class JobTimeout(JobFailed):
    """The job was killed because its wall time was over."""


class JobProblem(Exception):
    """Raised by a job to end with this sentence instead of a result (it becomes `JobFailed.message`)."""
