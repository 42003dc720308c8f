// Talks to the press with node-opcua, prints what came of it as JSON.
// The words are the device's URL and the folder with NAME.crt and NAME.key, trust/ca.crt, crl.der.
"use strict";

const opcua = require("node-opcua-client");
const { Peer, node, password, readSequence, refusal, run } = require("./opcua_session.js");

const peer = new Peer(...process.argv.slice(2));
const operator = password("operator", "secret");
const time = (date) => date.getTime();

async function logins() {
  const found = {};
  for (const policy of ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]) {
    for (const mode of ["Sign", "SignAndEncrypt"]) {
      found[`${policy} ${mode}`] = await refusal(() =>
        peer.withSession({ policy, mode }, operator, readSequence));
    }
  }
  const others = {
    "user certificate": [{}, peer.certificate("user")],
    "foreign user certificate": [{}, peer.certificate("foreign")],
    "wrong password": [{}, password("operator", "guess")],
    "foreign client certificate": [{ name: "foreign" }, operator],
  };
  for (const [what, [options, user]] of Object.entries(others)) {
    found[what] = await refusal(() => peer.withSession(options, user, readSequence));
  }
  return found;
}

async function browse(session) {
  const names = async (id) =>
    (await session.browse(id)).references.map((reference) => reference.browseName.name);
  return { objects: await names("ObjectsFolder"), press: await names("ns=2;s=press") };
}

async function readAndWrite(session) {
  const names = ["sequence", "force", "parts", "setpoint"];
  const values = await session.read(names.map((name) => ({
    nodeId: node(name), attributeId: opcua.AttributeIds.Value,
  })));
  const write = async (name, value) =>
    (await session.write({
      nodeId: node(name),
      attributeId: opcua.AttributeIds.Value,
      value: { value: { dataType: opcua.DataType.Double, value } },
    })).name;
  return {
    sample: Object.fromEntries(names.map((name, at) => [name, values[at].value.value])),
    time: time(values[0].sourceTimestamp),
    unknown: (await session.read({ nodeId: node("none"), attributeId: 13 })).statusCode.name,
    written: await write("requested_setpoint", 300.5),
    "too low": await write("requested_setpoint", 3),
    "read-only": await write("force", 3),
  };
}

async function history(session) {
  const result = await session.readHistoryValue(
    node("force"), new Date(Date.now() - 3_600_000), new Date());
  return {
    status: result.statusCode.name,
    values: result.historyData.dataValues.map((each) =>
      [time(each.sourceTimestamp), each.value.value]),
  };
}

async function subscribe(session) {
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 100, requestedLifetimeCount: 1000,
    requestedMaxKeepAliveCount: 20, publishingEnabled: true, maxNotificationsPerPublish: 0,
    priority: 1,
  });
  const sequence = [];
  const values = await subscription.monitor(
    { nodeId: node("sequence"), attributeId: opcua.AttributeIds.Value },
    { samplingInterval: 0, queueSize: 100, discardOldest: true },
    opcua.TimestampsToReturn.Both);
  values.on("changed", (value) => sequence.push(value.value.value));
  const fields = ["SourceName", "Message", "Severity", "ActiveState.Id", "Retain", "Time"];
  const events = [];
  const alarms = await subscription.monitor(
    { nodeId: "i=2253", attributeId: opcua.AttributeIds.EventNotifier },
    { samplingInterval: 0, queueSize: 100, discardOldest: true,
      filter: opcua.constructEventFilter(fields) },
    opcua.TimestampsToReturn.Both);
  const enough = new Promise((resolve) => {
    alarms.on("changed", (values) => {
      const [source, message, severity, active, retain, when] = values.map((each) => each.value);
      events.push({ source, message: message.text, severity, active, retain, time: time(when) });
      if (events.length >= 2) resolve();
    });
    setTimeout(resolve, 60_000).unref();
  });
  await enough;
  await subscription.terminate();
  return { sequence, events };
}

async function main() {
  await peer.openStore();
  const found = { logins: await logins() };
  return Object.assign(found, await peer.withSession({}, operator, async (session) => ({
    browse: await browse(session),
    values: await readAndWrite(session),
    history: await history(session),
    subscription: await subscribe(session),
  })));
}

run(main);
