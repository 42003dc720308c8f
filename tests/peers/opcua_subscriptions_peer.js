// Subscribes to the press with node-opcua, prints what came of it as JSON.
// The words are what to do, the device's URL and the folder with client.crt, client.key,
// trust/ca.crt, crl.der.
"use strict";

const opcua = require("node-opcua-client");
const { Peer, refusal, run } = require("./opcua_session.js");

const [task, url, folder] = process.argv.slice(2);
const peer = new Peer(url, folder);
const UNKNOWN = 4000000;
const VALUE = opcua.AttributeIds.Value;
const statuses = (results) => results.map((result) => (result.statusCode ?? result).name);

// One service, as it is; the client's own way to publish stays out of it.
const ask = (session, Request, parameters) => new Promise((resolve, reject) => {
  const done = (trouble, response) => (trouble ? reject(trouble) : resolve(response));
  session.performMessageTransaction(new Request(parameters), done);
});

const publish = (session, ...acknowledged) =>
  ask(session, opcua.PublishRequest, { subscriptionAcknowledgements: acknowledged });
const changes = (response) =>
  (response.notificationMessage.notificationData ?? []).flatMap((data) =>
    data.monitoredItems ?? []);
const values = (response) => changes(response).map((change) => change.value.value.value);

async function subscribe(session, interval) {
  const response = await ask(session, opcua.CreateSubscriptionRequest, {
    requestedPublishingInterval: interval, requestedLifetimeCount: 3000,
    requestedMaxKeepAliveCount: 1000, publishingEnabled: true,
  });
  return response.subscriptionId;
}

const item = (name, parameters) => ({
  itemToMonitor: { nodeId: `ns=2;s=${name}`, attributeId: VALUE },
  monitoringMode: opcua.MonitoringMode.Reporting,
  requestedParameters: { samplingInterval: 0, queueSize: 1, discardOldest: true, ...parameters },
});
const deadband = (type, value) => new opcua.DataChangeFilter({
  trigger: opcua.DataChangeTrigger.StatusValue,
  deadbandType: opcua.DeadbandType[type], deadbandValue: value,
});
const watch = (session, subscriptionId, ...itemsToCreate) =>
  ask(session, opcua.CreateMonitoredItemsRequest, {
    subscriptionId, timestampsToReturn: opcua.TimestampsToReturn.Both, itemsToCreate,
  });

// fast.1 rises by one each 50 ms, slow.1 stays.
async function queue(session, discardOldest) {
  const number = await subscribe(session, 1000);
  await watch(session, number, item("fast.1", { queueSize: 3, discardOldest }));
  await publish(session);
  const told = changes(await publish(session)).map((change) =>
    [change.value.value.value, change.value.statusCode.value & 0x480]);
  await ask(session, opcua.DeleteSubscriptionsRequest, { subscriptionIds: [number] });
  return told;
}

async function filters(session) {
  const number = await subscribe(session, 100);
  const created = await watch(
    session, number,
    item("fast.1", { filter: deadband("Absolute", 2.5), queueSize: 1000, clientHandle: 1 }),
    item("press.none", { clientHandle: 2 }),
    item("fast.1", { filter: deadband("Percent", 10), clientHandle: 3 }),
    item("fast.1", { filter: deadband("Absolute", -1), clientHandle: 4 }),
    item("slow.1", { clientHandle: 5 }),
  );
  const found = [];
  const handles = new Set();
  while (found.length < 5) {
    for (const change of changes(await publish(session))) {
      handles.add(change.clientHandle);
      if (change.clientHandle === 1) found.push(change.value.value.value);
    }
  }
  await ask(session, opcua.DeleteSubscriptionsRequest, { subscriptionIds: [number] });
  return { statuses: statuses(created.results), values: found, handles: [...handles].sort() };
}

async function republish(session) {
  const number = await subscribe(session, 50);
  await watch(session, number, item("slow.1"));
  const first = await publish(session);
  const sequence = first.notificationMessage.sequenceNumber;
  const again = (subscriptionId, retransmitSequenceNumber) =>
    ask(session, opcua.RepublishRequest, { subscriptionId, retransmitSequenceNumber });
  const same = values(await again(number, sequence));
  const found = {
    same: JSON.stringify(same) === JSON.stringify(values(first)) && same.length === 1,
    sequence: await refusal(() => again(number, sequence + 1)),
    subscription: await refusal(() => again(UNKNOWN, sequence)),
  };
  await ask(session, opcua.DeleteSubscriptionsRequest, { subscriptionIds: [number] });
  found.publish = await refusal(() => publish(session));
  return found;
}

async function transfer(old, session) {
  const number = await subscribe(old, 50);
  await watch(old, number, item("slow.1"), item("fast.1"));
  const sequence = (await publish(old)).notificationMessage.sequenceNumber;
  const move = (subscriptionIds) => ask(session, opcua.TransferSubscriptionsRequest, {
    subscriptionIds, sendInitialValues: true,
  });
  const moved = await move([UNKNOWN, number]);
  const last = await publish(old).then((response) => response.notificationMessage
    .notificationData.map((data) => data.status.name));
  const after = await publish(session, { subscriptionId: number, sequenceNumber: sequence });
  const found = {
    statuses: statuses(moved.results),
    available: moved.results[1].availableSequenceNumbers.includes(sequence),
    last,
    old: await refusal(() => publish(old)),
    initial: changes(after).length >= 2,
    acknowledged: statuses(after.results),
  };
  await ask(session, opcua.DeleteSubscriptionsRequest, { subscriptionIds: [number] });
  return found;
}

function services() {
  return peer.withSession({}, undefined, async (first, client) => {
    const second = await client.createSession();
    const found = {
      oldest: await queue(first, true),
      newest: await queue(first, false),
      filters: await filters(first),
      republish: await republish(first),
      transfer: await transfer(first, second),
    };
    await second.close();
    return found;
  });
}

// Goes on by itself when the device drops its session, as any user's program would.
async function recovery(session) {
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 100, requestedLifetimeCount: 1000,
    requestedMaxKeepAliveCount: 10, publishingEnabled: true,
  });
  const item = await subscription.monitor(
    { nodeId: "ns=2;s=fast.1", attributeId: VALUE },
    { samplingInterval: 0, queueSize: 100, discardOldest: true },
    opcua.TimestampsToReturn.Both);
  const before = session.authenticationToken.toString();
  let ready = false;
  await new Promise((resolve) => {
    item.on("changed", () => {
      if (!ready) console.log("ready");
      ready = true;
      if (session.authenticationToken.toString() !== before) resolve();
    });
  });
  return { recovered: true };
}

run(async () => {
  await peer.openStore();
  return task === "services" ? services() : peer.withSession({ maxRetry: -1 }, undefined, recovery);
});
