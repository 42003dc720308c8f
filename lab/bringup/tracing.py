"""The trace of each start, also of a failed one, written to the lab's folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version

from edge_lab.core.home import RunDir
from edge_lab.core.step import listening, warn
from edge_lab.core.steprecord import StepRecorder
from edge_lab.evidence.chrometrace import write_trace
from edge_lab.evidence.trace import StartTrace, traced
from edge_lab.handle.hostprocesses import HostProcess, host_processes
from edge_lab.handle.lab import Lab


class StartTracing:
    """The trace of the start in `run`; the caller reports how it ended."""

    def __init__(self, run: RunDir, recorder: StepRecorder) -> None:
        self._run = run
        self._recorder = recorder
        self._began = datetime.now(UTC)
        self._lab: Lab | None = None

    def started(self, lab: Lab) -> Lab:
        """The lab is up. The trace is written when the last step has ended."""
        self._lab = lab
        return lab

    def failed(self, trouble: BaseException) -> None:
        """Writes the steps so far to the lab's logs, if its folder exists; logs are kept."""
        with contextlib.suppress(OSError):
            self._write("failed", "", (), trouble)

    def finish(self) -> None:
        """Writes the trace of a successful start; an error is only a warning."""
        if self._lab is None:
            return
        state = self._lab.state
        kind = "from checkpoint" if state.restored else "cold start"
        try:
            self._write(kind, state.stack, host_processes(self._run, with_this=True))
        except OSError as trouble:
            warn(f"cannot write the trace of the start: {trouble}")

    def _write(
        self,
        kind: str,
        stack: str,
        processes: tuple[HostProcess, ...],
        trouble: BaseException | None = None,
    ) -> None:
        if not self._run.logs.is_dir():
            return
        trace = StartTrace(
            lab=self._run.lab,
            stack=stack,
            kind=kind,
            began=self._began.isoformat(timespec="seconds"),
            version=version("edge-lab"),
            steps=traced(self._recorder.steps(trouble)),
            processes=processes,
        )
        write_trace(trace, self._run.trace)


@contextlib.contextmanager
def tracing(run: RunDir) -> Iterator[StartTracing]:
    """Records the steps of a start while the block runs."""
    recorder = StepRecorder()
    this = StartTracing(run, recorder)
    with listening(recorder.take):
        yield this
    this.finish()
