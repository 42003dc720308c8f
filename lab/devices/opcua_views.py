"""OPC UA's Browse, BrowseNext, TranslateBrowsePaths and Call, with a status for each item.

asyncua returns all references at once regardless of the requested number, has no BrowseNext, and
fails the whole request for an empty path.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.address_space import MethodService, ViewService

from edge_lab.devices.continuation import ContinuationPoints, Rest
from edge_lab.devices.refusals import RefusalLog

log = logging.getLogger(__name__)


class Views(ViewService):  # type: ignore[misc]
    def __init__(self, space: Any, refusals: RefusalLog) -> None:
        super().__init__(space)
        self._refusals = refusals

    def browse_for_client(self, params: Any, points: ContinuationPoints[Any]) -> list[Any]:
        """The results of a Browse.

        Raises:
            ServiceError: BadViewIdUnknown; a device has no views.
        """
        if params.View is not None and not params.View.ViewId.is_null():
            raise ServiceError(ua.StatusCodes.BadViewIdUnknown)
        points.begin()
        most = params.RequestedMaxReferencesPerNode

        def start(description: Any) -> Rest[Any]:
            self._check(description)
            found = super(Views, self)._browse(description)
            return Rest(description.NodeId, tuple(found.References), most)

        return [
            self._page(item.NodeId.to_string(), points, partial(start, item))
            for item in params.NodesToBrowse
        ]

    def browse_next(self, params: Any, points: ContinuationPoints[Any]) -> list[Any]:
        """The results of a BrowseNext."""
        points.begin()
        found = []
        for point in params.ContinuationPoints:
            name = "a continuation point"
            if params.ReleaseContinuationPoints:
                found.append(self._release(name, points, point))
            else:
                found.append(self._page(name, points, partial(points.take, point)))
        return found

    def _release(self, name: str, points: ContinuationPoints[Any], point: bytes) -> Any:
        result = ua.BrowseResult()
        try:
            points.take(point)
        except ServiceError as refusal:
            result.StatusCode = self._refused("browse", name, refusal)
        return result

    def _page(
        self, name: str, points: ContinuationPoints[Any], rest: Callable[[], Rest[Any]]
    ) -> Any:
        result = ua.BrowseResult()
        try:
            references, result.ContinuationPoint = points.divide(rest())
            result.References = list(references)
        except ServiceError as refusal:
            result.StatusCode = self._refused("browse", name, refusal)
        return result

    def _check(self, description: Any) -> None:
        if description.NodeId not in self._aspace:
            raise ServiceError(ua.StatusCodes.BadNodeIdUnknown)
        if description.BrowseDirection == ua.BrowseDirection.Invalid:
            raise ServiceError(ua.StatusCodes.BadBrowseDirectionInvalid)
        kind = description.ReferenceTypeId
        if not kind.is_null() and _class_of(self._aspace, kind) != ua.NodeClass.ReferenceType:
            raise ServiceError(ua.StatusCodes.BadReferenceTypeIdInvalid)

    def translate_for_client(self, paths: Any) -> list[Any]:
        found = []
        for path in paths:
            try:
                self._check_path(path)
                result = self._translate_browsepath_to_nodeid(path)
            except ServiceError as refusal:
                result = ua.BrowsePathResult()
                result.StatusCode = self._refused("path", path.StartingNode.to_string(), refusal)
            found.append(result)
        return found

    def _check_path(self, path: Any) -> None:
        if path.StartingNode not in self._aspace:
            raise ServiceError(ua.StatusCodes.BadNodeIdUnknown)
        elements = path.RelativePath.Elements
        if not elements:
            raise ServiceError(ua.StatusCodes.BadNothingToDo)
        if any(not element.TargetName or not element.TargetName.Name for element in elements):
            raise ServiceError(ua.StatusCodes.BadBrowseNameInvalid)

    def _find_elements_in_node(self, el: Any, nodeid: Any) -> Any:
        if nodeid not in self._aspace:  # a reference may name a missing node
            return []
        return super()._find_elements_in_node(el, nodeid)

    def _refused(self, service: str, item: str, refusal: ServiceError) -> Any:
        self._refusals.note(service, item, refusal.code)
        return ua.StatusCode(refusal.code)


class Methods(MethodService):  # type: ignore[misc]
    def __init__(self, space: Any, refusals: RefusalLog) -> None:
        super().__init__(space)
        self._refusals = refusals

    async def call_for_client(self, methods: Any) -> list[Any]:
        return [await self._call_one(method) for method in methods]

    async def _call_one(self, method: Any) -> Any:
        try:
            self._check(method)
            result = await self._call(method)
        except ServiceError as refusal:
            result = ua.CallMethodResult(StatusCode=ua.StatusCode(refusal.code))
        if result.StatusCode.is_bad():
            named = f"{method.MethodId.to_string()} of {method.ObjectId.to_string()}"
            self._refusals.note("call", named, result.StatusCode.value)
        return result

    def _check(self, method: Any) -> None:
        owner = self._aspace.get(method.ObjectId)
        if owner is None:
            raise ServiceError(ua.StatusCodes.BadNodeIdUnknown)
        if not self._has_method(owner, method.MethodId):
            raise ServiceError(ua.StatusCodes.BadMethodInvalid)
        node = self._aspace[method.MethodId]
        executable = node.attributes.get(ua.AttributeIds.Executable)
        if executable is not None and not executable.value.Value.Value:
            raise ServiceError(ua.StatusCodes.BadNotExecutable)
        if node.call is None:
            raise ServiceError(ua.StatusCodes.BadNotImplemented)

    def _has_method(self, owner: Any, method_id: Any) -> bool:
        """Whether it is a method of the object, or of its type."""
        if _class_of(self._aspace, method_id) != ua.NodeClass.Method:
            return False
        component = ua.NodeId(ua.ObjectIds.HasComponent)
        definition = ua.NodeId(ua.ObjectIds.HasTypeDefinition)
        subtype = ua.NodeId(ua.ObjectIds.HasSubtype)
        waiting, seen = [owner], set()
        while waiting:
            node = waiting.pop()
            seen.add(node.nodeid)
            for reference in node.references:
                kind, forward = reference.ReferenceTypeId, reference.IsForward
                if forward and kind == component and reference.NodeId == method_id:
                    return True
                above = (kind == definition and forward) or (kind == subtype and not forward)
                other = self._aspace.get(reference.NodeId) if above else None
                if other is not None and other.nodeid not in seen:
                    waiting.append(other)
        return False


def _class_of(space: Any, node_id: Any) -> Any:
    node = space.get(node_id)
    return node.attributes[ua.AttributeIds.NodeClass].value.Value.Value if node else None
