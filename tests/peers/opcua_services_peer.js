// Asks the press for what it has and has not with node-opcua, prints the statuses as JSON.
// The words are the device's URL and the folder with NAME.crt and NAME.key, trust/ca.crt, crl.der.
"use strict";

const opcua = require("node-opcua-client");
const { NumericRange } = require("node-opcua-numeric-range");
const { Peer, node, password, readSequence, refusal, run } = require("./opcua_session.js");

const peer = new Peer(...process.argv.slice(2));
const anonymous = { type: opcua.UserTokenType.Anonymous };
const { Double, Int32, String: Text } = opcua.DataType;
const VALUE = opcua.AttributeIds.Value;
const statuses = (results) => results.map((result) => (result.statusCode ?? result).name);

async function doors() {
  const found = {};
  const cases = {
    anonymous: ["client", anonymous],
    "right password": ["client", password("operator", "secret")],
    "wrong password": ["client", password("operator", "guess")],
    "empty password": ["client", password("operator", "")],
    "no such user": ["client", password("nobody", "secret")],
    "user certificate": ["client", peer.certificate("user")],
    "foreign user certificate": ["client", peer.certificate("foreign")],
    chain: ["chain", anonymous],
    "foreign chain": ["foreign-chain", anonymous],
  };
  for (const [what, [name, user]] of Object.entries(cases)) {
    found[what] = await refusal(() => peer.withSession({ name }, user, readSequence));
  }
  return found;
}

async function reads(session) {
  const read = (nodeId, more = {}) => ({ nodeId, attributeId: VALUE, ...more });
  const array = "i=2255";
  const items = {
    value: read(node("parts")),
    "unknown node": read(node("none")),
    "absent attribute": read(node("parts"), { attributeId: opcua.AttributeIds.Executable }),
    "first of an array": read(array, { indexRange: new NumericRange("0") }),
    "beyond an array": read(array, { indexRange: new NumericRange("9") }),
    "part of a scalar": read(node("parts"), { indexRange: new NumericRange("0") }),
    "odd encoding": read(node("parts"), { dataEncoding: { namespaceIndex: 0, name: "odd" } }),
  };
  const results = await session.read(Object.values(items));
  const found = Object.fromEntries(
    Object.keys(items).map((name, at) => [name, results[at].statusCode.name]));
  return { items: found, first: results[3].value.value };
}

async function writes(session) {
  const write = (name, dataType, value, more = {}) =>
    ({ nodeId: node(name), attributeId: VALUE, value: { value: { dataType, value } }, ...more });
  const items = {
    good: write("requested_setpoint", Double, 260),
    nan: write("requested_setpoint", Double, NaN),
    infinity: write("requested_setpoint", Double, Infinity),
    huge: write("requested_setpoint", Double, 1e308),
    integer: write("requested_setpoint", Int32, 260),
    text: write("requested_setpoint", Text, "260"),
    "unknown node": write("none", Double, 1),
    "read-only": write("force", Double, 1),
    name: write("force", Text, "x", { attributeId: opcua.AttributeIds.DisplayName }),
    "part of a scalar":
      write("requested_setpoint", Double, 1, { indexRange: new NumericRange("0") }),
    last: write("requested_setpoint", Double, 261),
  };
  const results = await session.write(Object.values(items));
  const back = await session.read({ nodeId: node("requested_setpoint"), attributeId: VALUE });
  return {
    items: Object.fromEntries(Object.keys(items).map((name, at) => [name, results[at].name])),
    back: back.value.value,
  };
}

async function browse(session) {
  session.requestedMaxReferencesPerNode = 0;
  const whole = await session.browse("i=2253");
  session.requestedMaxReferencesPerNode = 4;
  const pages = [];
  let result = await session.browse("i=2253");
  for (;;) {
    pages.push(result.references.map((reference) => reference.nodeId.toString()));
    if (!result.continuationPoint?.length) break;
    result = await session.browseNext(result.continuationPoint, false);
  }
  const point = (await session.browse("i=2253")).continuationPoint;
  const released = await session.browseNext(point, true);
  const after = await session.browseNext(point, false);
  session.requestedMaxReferencesPerNode = 0;
  return {
    whole: whole.references.map((reference) => reference.nodeId.toString()),
    pages,
    statuses: statuses([
      released, after, await session.browse(node("none")), await session.browse(node("force")),
    ]),
    paths: statuses(await session.translateBrowsePath([
      opcua.makeBrowsePath("i=2253", "/ServerStatus"),
      opcua.makeBrowsePath("i=2253", "/None"),
      opcua.makeBrowsePath(node("none"), "/ServerStatus"),
    ])),
    called: statuses(await session.call([
      { objectId: node("none"), methodId: "i=11492", inputArguments: [] },
      { objectId: "i=2253", methodId: node("force"), inputArguments: [] },
    ])),
  };
}

async function history(session) {
  const ask = async (details, items, release = false) => (await session.historyRead(
    new opcua.HistoryReadRequest({
      historyReadDetails: details,
      timestampsToReturn: opcua.TimestampsToReturn.Both,
      releaseContinuationPoints: release,
      nodesToRead: items,
    }))).results;
  const raw = (more = {}) => new opcua.ReadRawModifiedDetails({
    isReadModified: false, startTime: new Date("2020-01-01"), endTime: new Date("2100-01-01"),
    numValuesPerNode: 3, returnBounds: false, ...more,
  });
  const item = (name = "force", more = {}) => ({ nodeId: node(name), ...more });
  const point = (value) => item("force", { continuationPoint: value });
  const times = (result) =>
    result.historyData.dataValues.map((value) => value.sourceTimestamp.getTime());
  const [first] = await ask(raw(), [item()]);
  const [second] = await ask(raw(), [point(first.continuationPoint)]);
  const [both] = await ask(raw({ numValuesPerNode: 6 }), [item()]);
  const [released] = await ask(raw(), [point(second.continuationPoint)], true);
  const [after] = await ask(raw(), [point(second.continuationPoint)]);
  const [junk] = await ask(raw(), [point(Buffer.from("junk"))]);
  const [bounded] = await ask(raw({ returnBounds: true, numValuesPerNode: 1 }), [item()]);
  return {
    parts: [times(first), times(second)],
    both: times(both),
    points: statuses([released, after, junk]),
    bound: bounded.historyData.dataValues[0].statusCode.name,
    items: statuses(await ask(raw(), [item(), item("none"), item("requested_setpoint")])),
    modified: statuses(await ask(raw({ isReadModified: true }), [item()])),
    unbounded: statuses(await ask(
      raw({ startTime: opcua.minOPCUADate, endTime: opcua.minOPCUADate, numValuesPerNode: 0 }),
      [item()])),
    processed: statuses(await ask(new opcua.ReadProcessedDetails({
      startTime: new Date("2020-01-01"), endTime: new Date("2100-01-01"),
      processingInterval: 1000, aggregateType: ["i=2342"],
    }), [item()])),
  };
}

async function main() {
  await peer.openStore();
  const found = { doors: await doors() };
  return Object.assign(found, await peer.withSession({}, anonymous, async (session, client) => ({
    reads: await reads(session),
    writes: await writes(session),
    browse: await browse(session),
    history: await history(session),
    endpoints: [...new Set((await client.getEndpoints({ endpointUrl: "opc.tcp://example.org:1" }))
      .map((endpoint) => endpoint.endpointUrl))],
  })));
}

run(main);
