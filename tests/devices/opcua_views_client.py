"""Run in a peer's namespace: looks around in an OPC UA device, at its past and for what it does
not do, and prints the statuses as JSON.

The words are what to do, and the folder with the certificates.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from asyncua import Client, ua

from tests.devices.opcua_client import node_id
from tests.devices.opcua_services_client import Found, Nodes, Tasks, main, read, status, value_id

# -- Browse, Call ---------------------------------------------------------------------------


async def views(client: Client, nodes: Nodes) -> Found:
    service = client.uaclient

    def description(node: ua.NodeId, **more: Any) -> ua.BrowseDescription:
        return ua.BrowseDescription(
            NodeId=node,
            BrowseDirection=more.pop("direction", ua.BrowseDirection.Forward),
            ReferenceTypeId=more.pop("kind", ua.NodeId()),
            ResultMask=63,
        )

    async def browse(*items: Any, most: int = 0, view: Any = None) -> list[Any]:
        parameters = ua.BrowseParameters(
            NodesToBrowse=list(items), RequestedMaxReferencesPerNode=most
        )
        if view is not None:
            parameters.View.ViewId = view
        return list(await service.browse(parameters))

    async def browse_next(*points: bytes, release: bool = False) -> list[Any]:
        parameters = ua.BrowseNextParameters(
            ContinuationPoints=list(points), ReleaseContinuationPoints=release
        )
        return list(await service.browse_next(parameters))

    server = ua.NodeId(ua.ObjectIds.Server)
    (whole,) = await browse(description(server))
    pages: list[list[str]] = []
    point: bytes | None = None
    used: bytes | None = None
    (result,) = await browse(description(server), most=3)
    while True:
        pages.append([reference.NodeId.to_string() for reference in result.References])
        used, point = point, result.ContinuationPoint
        if not point:
            break
        (result,) = await browse_next(point)
    found: Found = {
        "whole": [reference.NodeId.to_string() for reference in whole.References],
        "pages": pages,
    }
    (result,) = await browse(description(server), most=3)
    released, *_ = await browse_next(result.ContinuationPoint, release=True)
    after, junk, spent = await browse_next(result.ContinuationPoint, b"junk", used or b"")
    found["points"] = [
        *(result.StatusCode.name for result in (released, after, junk, spent)),
        len(released.References),
    ]
    results = await browse(
        description(nodes["cell"]),
        description(node_id("none")),
        description(server, direction=ua.BrowseDirection.Invalid),
        description(server, kind=ua.NodeId(999_999)),
        description(server, kind=server),
        description(server, kind=ua.NodeId(ua.ObjectIds.HasComponent)),
    )
    found["browse"] = [result.StatusCode.name for result in results]
    found["requests"] = {
        "browse nothing": await status(browse()),
        "a view": await status(browse(description(server), view=ua.NodeId(999_999))),
        "browse next nothing": await status(browse_next()),
        "unknown direction": await status(browse(description(server, direction=9))),
    }

    def path(start: ua.NodeId, *names: str | None) -> ua.BrowsePath:
        elements = [
            ua.RelativePathElement(
                ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
                IsInverse=False,
                IncludeSubtypes=True,
                TargetName=ua.QualifiedName(name, 0),
            )
            for name in names
        ]
        return ua.BrowsePath(StartingNode=start, RelativePath=ua.RelativePath(Elements=elements))

    results = await service.translate_browsepaths_to_nodeids(
        [
            path(server, "ServerStatus", "State"),
            path(server),
            path(node_id("none"), "ServerStatus"),
            path(server, "none"),
            path(server, None),
            path(server, "ServerStatus"),
        ]
    )
    found["paths"] = [result.StatusCode.name for result in results]
    known = [server, node_id("none")]
    found["registered"] = await service.register_nodes(known) == known
    return found


async def methods(client: Client, nodes: Nodes) -> Found:
    requests = [
        ua.CallMethodRequest(ObjectId=owner, MethodId=method)
        for owner, method in (
            (node_id("none"), nodes["reset"]),
            (nodes["cell"], node_id("none")),
            (nodes["cell"], nodes["count"]),
            (ua.NodeId(ua.ObjectIds.Server), nodes["reset"]),
            (nodes["cell"], nodes["reset"]),
        )
    ]
    service = client.uaclient
    found: Found = {"call": [result.StatusCode.name for result in await service.call(requests)]}
    item = ua.AddNodesItem(
        ParentNodeId=nodes["cell"],
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HasComponent),
        RequestedNewNodeId=node_id("new"),
        BrowseName=ua.QualifiedName("new", 2),
        NodeClass=ua.NodeClass.Object,
        NodeAttributes=ua.ObjectAttributes(),
        TypeDefinition=ua.NodeId(ua.ObjectIds.BaseObjectType),
    )
    found["add"] = await status(service.add_nodes([item, item]))
    gone = ua.DeleteNodesParameters([ua.DeleteNodesItem(nodes["count"], True)])
    found["delete"] = await status(service.delete_nodes(gone))
    (result,) = await read(client, value_id(nodes["count"]))
    found["is there still"] = result.StatusCode.name
    found["requests"] = {
        "call nothing": await status(service.call([])),
        "translate nothing": await status(service.translate_browsepaths_to_nodeids([])),
        "register nothing": await status(service.register_nodes([])),
        "unknown service": await status(service.protocol.send_request(ua.CancelRequest())),
        "query": await status(service.protocol.send_request(ua.QueryFirstRequest())),
        "history update": await status(service.protocol.send_request(ua.HistoryUpdateRequest())),
        "register a server": await status(
            service.protocol.send_request(ua.RegisterServerRequest())
        ),
        "find on network": await status(
            service.protocol.send_request(ua.FindServersOnNetworkRequest())
        ),
    }
    (result,) = await read(client, value_id(nodes["parts"]))
    found["goes on"] = result.StatusCode.name
    return found


# -- history ----------------------------------------------------------------------------


async def history(client: Client, nodes: Nodes) -> Found:
    force = nodes["force"]
    long_ago, never = datetime(2020, 1, 1, tzinfo=UTC), ua.get_win_epoch()
    later = datetime(2100, 1, 1, tzinfo=UTC)

    def raw(start: datetime = long_ago, end: datetime = later, most: int = 0, **more: Any) -> Any:
        return ua.ReadRawModifiedDetails(
            IsReadModified=more.pop("modified", False),
            StartTime=start,
            EndTime=end,
            NumValuesPerNode=most,
            ReturnBounds=more.pop("bounds", False),
        )

    def item(node: ua.NodeId = force, point: bytes | None = None, **more: Any) -> Any:
        return ua.HistoryReadValueId(NodeId=node, ContinuationPoint=point, **more)

    async def ask(details: Any, *items: Any, **more: Any) -> list[Any]:
        parameters = ua.HistoryReadParameters(
            HistoryReadDetails=details,
            TimestampsToReturn=more.pop("timestamps", ua.TimestampsToReturn.Both),
            ReleaseContinuationPoints=more.pop("release", False),
            NodesToRead=list(items),
        )
        return list(await client.uaclient.history_read(parameters))

    def times(result: Any) -> list[Any]:
        return [
            value.SourceTimestamp.isoformat() if value.StatusCode.is_good() else "no bound"
            for value in result.HistoryData.DataValues
        ]

    (whole,) = await ask(raw(most=6, end=never), item())
    stamps = [value.SourceTimestamp for value in whole.HistoryData.DataValues]
    found: Found = {"whole": times(whole)}
    (part,) = await ask(raw(stamps[0], stamps[5], 2), item())
    point = part.ContinuationPoint
    parts = [times(part)]
    (other,) = await ask(raw(), item(nodes["parts"], point))
    while point:
        used, (part,) = point, await ask(raw(), item(point=point))
        parts.append(times(part))
        point = part.ContinuationPoint
    found["parts"] = parts
    (spent, junk) = await ask(raw(), item(point=used), item(point=b"junk"))
    (part,) = await ask(raw(most=1), item())
    point = part.ContinuationPoint
    (released,) = await ask(raw(), item(point=point), release=True)
    (again,) = await ask(raw(), item(point=point))
    (twice, none) = await ask(raw(), item(point=point), item(), release=True)
    found["points"] = {
        "of another node": other.StatusCode.name,
        "spent": spent.StatusCode.name,
        "junk": junk.StatusCode.name,
        "released": released.StatusCode.name,
        "released gives": released.HistoryData is None
        or not getattr(released.HistoryData, "DataValues", None),
        "read after release": again.StatusCode.name,
        "released twice": twice.StatusCode.name,
        "nothing to release": none.StatusCode.name,
    }
    (bounded,) = await ask(raw(long_ago, stamps[2], bounds=True), item())
    found["bounded"] = times(bounded)
    (backwards,) = await ask(raw(never, stamps[3], 3), item())
    found["backwards"] = times(backwards)
    (empty,) = await ask(raw(later, datetime(2101, 1, 1, tzinfo=UTC)), item())
    found["empty"] = [empty.StatusCode.name, times(empty)]
    results = await ask(
        raw(most=1),
        item(),
        item(node_id("none")),
        item(nodes["requested_setpoint"]),
        item(nodes["cell"]),
        item(IndexRange="0"),
        item(IndexRange="x"),
        item(DataEncoding=ua.QualifiedName("Default XML", 0)),
        item(nodes["sequence"]),
    )
    found["items"] = [result.StatusCode.name for result in results]
    details = {
        "modified": raw(modified=True),
        "nothing bounds it": raw(never, never),
        "start alone": raw(end=never),
        "end alone": raw(start=never),
        "number alone": raw(never, never, 5),
        "processed": ua.ReadProcessedDetails(StartTime=long_ago, EndTime=later),
        "at times": ua.ReadAtTimeDetails(ReqTimes=[long_ago]),
        "events": ua.ReadEventDetails(
            StartTime=long_ago, EndTime=later, NumValuesPerNode=1, Filter=ua.EventFilter()
        ),
    }
    found["details"] = {
        name: [result.StatusCode.name for result in await ask(asked, item(), item(node_id("x")))]
        for name, asked in details.items()
    }
    neither, invalid = ua.TimestampsToReturn.Neither, ua.TimestampsToReturn.Invalid
    found["requests"] = {
        "nothing": await status(ask(raw())),
        "no timestamps": await status(ask(raw(), item(), timestamps=neither)),
        "timestamps": await status(ask(raw(), item(), timestamps=invalid)),
        "no details": await status(ask(None, item())),
    }
    (source,) = await ask(raw(most=1), item(), timestamps=ua.TimestampsToReturn.Source)
    found["source only"] = [
        value.ServerTimestamp is None for value in source.HistoryData.DataValues
    ]
    return found


TASKS: Tasks = {task.__name__: task for task in (views, methods, history)}

if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(json.dumps(asyncio.run(main(sys.argv[1:], TASKS))))
