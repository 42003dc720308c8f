"""`lab matrix`: stacks x topologies x suites in shards: here, on a cluster, or on SSH hosts."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
import yaml
from rich.markup import escape

from edge_lab.cli.common import AsJson, err, out
from edge_lab.cli.matrixtables import outcome, plan_table, results_table
from edge_lab.cli.outputs import STDOUT, check_file, check_folder, write_file
from edge_lab.cli.progress import showing_steps
from edge_lab.core.deadline import Deadline
from edge_lab.core.durations import parse_duration
from edge_lab.core.errors import EdgeLabError, InputError, LabError
from edge_lab.report.runs import ExitCode

if TYPE_CHECKING:
    from edge_lab.matrix.model import Cluster, Host, Matrix
    from edge_lab.matrix.plan import Plan, Shard
    from edge_lab.matrix.record import Record
    from edge_lab.matrix.states import ShardProgress
    from edge_lab.matrix.verdict import Results

RESULTS = Path("build/matrix")
MERGED = "merged"
LEFT = ("shard-*", "*/shard-*", MERGED)
"""What a run leaves in the folder of its results, here and on a cluster."""
TERMINATED = 143

matrix = typer.Typer(
    help="Run stacks x topologies x suites in shards, on a cluster, SSH hosts or this machine.",
    no_args_is_help=True,
)


class Place(StrEnum):
    HERE = "here"
    CLUSTER = "cluster"
    HOSTS = "hosts"


MatrixFile = Annotated[Path, typer.Argument(metavar="FILE", help="A matrix file.")]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write the table of verdicts to this HTML file.")
]
DurationsFile = Annotated[
    Path | None,
    typer.Option("--durations", help="Update this file with the measured durations."),
]


@matrix.command("plan")
def plan_(
    file: MatrixFile,
    manifest: Annotated[
        Path | None,
        typer.Option(
            "--manifest", help="Write the Kubernetes objects to this file; - for standard output."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the shards, or write the Kubernetes objects that run them."""
    from edge_lab.matrix.load import load_matrix, plan_of

    if manifest is not None:
        check_file(manifest, "--manifest")
    read = load_matrix(file)
    plan = plan_of(read)
    if manifest is not None:
        from edge_lab.matrix.objects import manifests

        text = yaml.safe_dump_all(
            manifests(plan, _cluster(read, file), read.name), sort_keys=False, width=1000
        )
        write_file(manifest, text, "--manifest")
    if as_json:
        sys.stdout.write(plan.model_dump_json(indent=2) + "\n")
    elif manifest != STDOUT:
        out.print(plan_table(plan))


@matrix.command()
def run(
    file: MatrixFile,
    place: Annotated[
        Place, typer.Option("--on", help="Run on this machine, a cluster, or SSH hosts.")
    ] = Place.HERE,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the results.")
    ] = RESULTS,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue: run only the shards that have no result.")
    ] = False,
    context: Annotated[
        str | None, typer.Option(help="On a cluster: the context of the kubeconfig.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="On a cluster: leave the Jobs there.")
    ] = False,
    wait: Annotated[
        str, typer.Option(help="On a cluster: how long to wait for all shards.")
    ] = "24h",
    html: Html = None,
    durations: DurationsFile = None,
) -> None:
    """Run all shards, merge their results, and exit with one code for all."""
    from edge_lab.matrix.load import load_matrix, plan_of

    with _as_pytest():
        check_folder(output, "--output")
        _check_outputs(html, durations)
        read = load_matrix(file)
        plan = plan_of(read)
        if place is Place.CLUSTER and resume:
            raise InputError("--resume is not for runs on a cluster", remedy="Omit it.")
        if not resume and any(file for kind in LEFT for file in output.glob(kind)):
            raise InputError(
                f"{output} has results already",
                remedy="Go on with --resume, give --output another folder, or remove this one.",
            )
        codes: dict[int, int] = {}
        if place is Place.CLUSTER:
            codes = _run_on_cluster(read, plan, file, output, context, wait, keep=keep)
        elif place is Place.HOSTS:
            _run_on_hosts(read, plan, file, output)
        else:
            _run_here(plan, output)
        code = _merge((output,), output / MERGED, html, durations, codes)
    raise typer.Exit(code)


@matrix.command()
def merge(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER", help="Results of shards, at any depth.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the merged Allure results.")
    ] = RESULTS / MERGED,
    html: Html = None,
    durations: DurationsFile = None,
) -> None:
    """Merge the results of shards, and exit with one code for all."""
    with _as_pytest():
        _check_outputs(html, durations)
        code = _merge(tuple(folders), output, html, durations, {})
    raise typer.Exit(code)


@matrix.command()
def shard(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A matrix file, or its plan as JSON.")
    ],
    index: Annotated[
        int | None,
        typer.Option(min=0, help="Number of the shard; default: $JOB_COMPLETION_INDEX."),
    ] = None,
    first: Annotated[int, typer.Option(min=0, help="Offset added to the number of the shard.")] = 0,
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = RESULTS,
    cache: Annotated[
        Path | None, typer.Option(help="First import this tar of `lab cache export`.")
    ] = None,
) -> None:
    """Run one shard, as a pod does, and exit with the code of pytest."""
    from edge_lab.matrix.load import load_plan
    from edge_lab.matrix.shard import import_cache, index_of_pod, run_shard

    with _as_pytest():
        number = index_of_pod() if index is None else index
        if number is None:
            raise InputError("no shard is selected", remedy="Give its number with --index.")
        plan = load_plan(file)
        chosen = plan.shard(first + number)
        err.print(_begins(chosen), highlight=False, markup=False)
        with _ended_by_sigterm(), showing_steps(err):
            if cache is not None:
                import_cache(cache)
            record = run_shard(plan, chosen.index, results)
        err.print(_ended(chosen, record), highlight=False, markup=False)
    raise typer.Exit(record.code)


@matrix.command("remote-shard", hidden=True)
def remote_shard(
    index: Annotated[int, typer.Option(min=0, help="Number of the shard.")],
) -> None:
    """Run one shard of the plan on standard input, as `lab matrix run --on hosts` asks over SSH."""
    from edge_lab.matrix.remote import serve_shard

    with _as_pytest(), _ended_by_sigterm(), showing_steps(err):
        record = serve_shard(index)
    raise typer.Exit(record.code)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """By the kubelet, which ends a pod, or since the SSH connection has ended."""
    try:
        yield
    except KeyboardInterrupt as signal:
        if signal.args == ("SIGTERM",):
            raise typer.Exit(TERMINATED) from signal
        raise


@contextmanager
def _as_pytest() -> Iterator[None]:
    """Errors end the command with the exit codes of pytest, by which a cluster decides on retries.

    Those of other commands mean something else there: 2 and 3 are never retried.
    """
    from edge_lab.cli import tell

    try:
        yield
    except OSError as trouble:  # of the host, such as a full disk
        if trouble.errno in (errno.EPIPE, errno.EIO):  # the reader of the output is gone
            raise
        tell(LabError(str(trouble)))
        raise typer.Exit(int(ExitCode.LAB_BROKE)) from trouble
    except EdgeLabError as trouble:
        tell(trouble)
        is_input = isinstance(trouble, InputError)
        code = ExitCode.WRONG_INPUT if is_input else ExitCode.LAB_BROKE
        raise typer.Exit(int(code)) from trouble


def _check_outputs(html: Path | None, durations: Path | None) -> None:
    for path, option in ((html, "--html"), (durations, "--durations")):
        if path is not None:
            check_file(path, option)


def _begins(shard: Shard) -> str:
    return f"shard {shard.index}: {shard.title}: {' '.join(each.path for each in shard.files)}"


def _ended(shard: Shard, record: Record) -> str:
    return f"shard {shard.index}: attempt {record.attempt}: {outcome(record.code)}"


def _run_here(plan: Plan, output: Path) -> None:
    from edge_lab.matrix.here import run_here

    def told(shard: Shard, record: Record | None) -> None:
        text = _begins(shard) if record is None else _ended(shard, record)
        err.print(text, highlight=False, markup=False, soft_wrap=True)

    run_here(plan, output, told)


def _run_on_hosts(read: Matrix, plan: Plan, file: Path, output: Path) -> None:
    from edge_lab.matrix.hosts import run_on_hosts
    from edge_lab.matrix.objects import check_topologies
    from edge_lab.matrix.overssh import SshRunner

    if not read.hosts:
        raise InputError(
            "the matrix has no `hosts`, which says where its shards run",
            file=file,
            remedy="Add them: hosts: [user@host]. docs/matrix/nightly.yaml has some.",
        )
    check_topologies(plan.shards)

    def told(host: Host, shard: Shard, record: Record | None) -> None:
        text = _begins(shard) if record is None else _ended(shard, record)
        err.print(f"{host.ssh}: {text}", highlight=False, markup=False, soft_wrap=True)

    with showing_steps(err):
        run_on_hosts(plan, read.hosts, output, told, SshRunner())


def _run_on_cluster(
    read: Matrix,
    plan: Plan,
    file: Path,
    output: Path,
    context: str | None,
    wait: str,
    *,
    keep: bool,
) -> dict[int, int]:
    """The exit codes of the shards' pods."""
    from edge_lab.matrix.client import ClusterClient
    from edge_lab.matrix.cluster import collect, follow, new_name, on_cluster

    cluster = _cluster(read, file)
    try:
        limit = parse_duration(wait)
    except ValueError as trouble:
        raise InputError(f"--wait: {trouble}") from trouble
    access, name = ClusterClient(cluster.namespace, context=context), new_name(plan)

    def told(shard: ShardProgress) -> None:
        text = f"shard {shard.index}: {plan.shards[shard.index].title}: {shard}"
        err.print(text, highlight=False, markup=False, soft_wrap=True)

    with (
        showing_steps(err),
        on_cluster(access, plan, cluster, name, keep=keep) as jobs,
    ):
        ended = follow(access, jobs, told, Deadline.after(limit))
        collect(access, plan, cluster, name, output)
    return {each.index: each.code for each in ended if each.code is not None}


def _cluster(read: Matrix, file: Path) -> Cluster:
    if read.cluster is None:
        raise InputError(
            "the matrix has no `cluster`, which says which image runs and where results go",
            file=file,
            remedy="docs/matrix/nightly.yaml has one.",
        )
    return read.cluster


def _merge(
    folders: tuple[Path, ...],
    output: Path,
    html: Path | None,
    durations: Path | None,
    codes: dict[int, int],
) -> int:
    """The exit code of the whole; `codes` are those of pods, for shards without a record."""
    from edge_lab.matrix.durations import read_durations
    from edge_lab.matrix.merge import measured, merge
    from edge_lab.matrix.verdict import read_results
    from edge_lab.report.compare import comparison_html, comparison_of, comparison_table, read_cells

    results = read_results(*folders).completed_by(codes)
    target = merge(results, output)
    try:
        comparison = comparison_of(read_cells(target))
    except InputError as trouble:
        err.print(f"no table of verdicts: {escape(trouble.message)}", highlight=False)
    else:
        out.print(comparison_table(comparison))
        if html is not None:
            write_file(html, comparison_html(comparison), "--html")
    if durations is not None:
        text = read_durations(durations).updated(measured(results)).model_dump_json(indent=2)
        write_file(durations, text + "\n", "--durations")
    _show(results, target)
    return results.code


def _show(results: Results, target: Path) -> None:
    out.print(results_table(results))
    out.print(
        f"{outcome(results.code)}; Allure results of all shards: {escape(str(target))}",
        highlight=False,
        soft_wrap=True,
    )
