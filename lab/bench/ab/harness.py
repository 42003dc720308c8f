"""One side's turn: takes a sample of each benchmark, and prints the results as JSON.

Started as a script, with the side's checkout first on PYTHONPATH. The benchmarks are always those
beside this file, so that both sides are measured in the same way, even a checkout without
benchmarks; everything else of `edge_lab` is imported from the checkout.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import signal
import sys
from pathlib import Path
from types import FrameType

BENCH = Path(__file__).resolve().parent.parent


def use_own_benchmarks() -> None:
    """Makes `edge_lab.bench` come from beside this file, whichever `edge_lab` is imported."""
    import edge_lab

    name = "edge_lab.bench"
    spec = importlib.util.spec_from_file_location(
        name, BENCH / "__init__.py", submodule_search_locations=[str(BENCH)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    setattr(edge_lab, "bench", module)  # noqa: B010 - mypy knows the module by its import alone


def end_as_by_interrupt() -> None:
    """On SIGTERM and SIGHUP, undoes running work; further signals do not interrupt that.

    The measured checkout may be too old to have `edge_lab.core.interrupts`.
    """
    told = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            raise KeyboardInterrupt(signal.Signals(number).name)

    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) is not signal.SIG_IGN:  # nohup
            signal.signal(ending, interrupt)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--topology", type=Path, required=True)
    parser.add_argument("--stack")
    parser.add_argument("names", nargs="+")
    given = parser.parse_args()
    end_as_by_interrupt()
    # The output of benchmarks must not mix with the JSON.
    answers, sys.stdout = sys.stdout, sys.stderr
    import edge_lab

    values: dict[str, float] = {}
    failed: dict[str, str] = {}
    try:
        use_own_benchmarks()
        from edge_lab.bench.ab.benchmarks import BENCHMARKS, Setting
    except Exception as trouble:  # noqa: BLE001 - the checkout may be of any time
        failed = dict.fromkeys(given.names, _said(trouble))
    else:
        setting = Setting(given.topology, given.stack)
        for name in given.names:
            try:
                values |= BENCHMARKS[name].run(setting)
            except Exception as trouble:  # noqa: BLE001 - one that fails is told, and no other fails
                failed[name] = _said(trouble)
    with contextlib.suppress(BrokenPipeError):
        source = str(Path(edge_lab.__file__ or "").parent.resolve())
        print(json.dumps({"source": source, "values": values, "failed": failed}), file=answers)
        answers.flush()
    return 0


def _said(trouble: Exception) -> str:
    return f"{type(trouble).__name__}: {trouble}".partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
