// Talks to the press with node-opcua, prints what came of it as JSON.
// The words are the device's URL and the folder with NAME.crt and NAME.key, trust/ca.crt, crl.der.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const opcua = require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");

const [url, folder] = process.argv.slice(2);
const password = { type: opcua.UserTokenType.UserName, userName: "operator", password: "secret" };
const pem = (name) => fs.readFileSync(path.join(folder, name), "utf8");

async function withSession(options, user, act) {
  const client = opcua.OPCUAClient.create({
    applicationUri: "urn:edge-lab:sampler:edge-arm",
    clientName: "peer",
    certificateFile: path.join(folder, `${options.name ?? "client"}.crt`),
    privateKeyFile: path.join(folder, `${options.name ?? "client"}.key`),
    clientCertificateManager: options.store,
    securityMode: opcua.MessageSecurityMode[options.mode ?? "SignAndEncrypt"],
    securityPolicy: opcua.SecurityPolicy[options.policy ?? "Basic256Sha256"],
    endpointMustExist: true,
    connectionStrategy: { maxRetry: 0, initialDelay: 100 },
    transportTimeout: 30000,
    requestedSessionTimeout: 60000,
  });
  try {
    await client.connect(url);
    const session = await client.createSession(user);
    try {
      return await act(session);
    } finally {
      await session.close();
    }
  } finally {
    await client.disconnect();
  }
}

async function refusal(attempt) {
  try {
    await attempt();
    return "";
  } catch (trouble) {
    return /Bad\w+/.exec(trouble.message)?.[0] ?? trouble.message;
  }
}

const der = (name) => Buffer.from(pem(name).replace(/-----[^-]+-----|\s/g, ""), "base64");
const node = (name) => `ns=2;s=press.${name}`;
const time = (date) => date.getTime();
const readSequence = async (session) => {
  const value = await session.read({ nodeId: node("sequence"), attributeId: opcua.AttributeIds.Value });
  if (value.statusCode.isNotGood()) throw new Error(value.statusCode.name);
};

async function logins(store) {
  const found = {};
  for (const policy of ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]) {
    for (const mode of ["Sign", "SignAndEncrypt"]) {
      found[`${policy} ${mode}`] = await refusal(() =>
        withSession({ store, policy, mode }, password, readSequence));
    }
  }
  const certificate = (name) => ({
    type: opcua.UserTokenType.Certificate,
    certificateData: der(`${name}.crt`),
    privateKey: pem(`${name}.key`),
  });
  const others = {
    "user certificate": [{ store }, certificate("user")],
    "foreign user certificate": [{ store }, certificate("foreign")],
    "wrong password": [{ store }, { ...password, password: "guess" }],
    "foreign client certificate": [{ store, name: "foreign" }, password],
  };
  for (const [what, [options, user]] of Object.entries(others)) {
    found[what] = await refusal(() => withSession(options, user, readSequence));
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
  const store = new OPCUACertificateManager({
    rootFolder: path.join(folder, "store"),
    automaticallyAcceptUnknownCertificate: true,
  });
  await store.initialize();
  await store.addIssuer(der(path.join("trust", "ca.crt")), false, true);
  await store.addRevocationList(fs.readFileSync(path.join(folder, "crl.der")));
  const found = { logins: await logins(store) };
  Object.assign(found, await withSession({ store }, password, async (session) => ({
    browse: await browse(session),
    values: await readAndWrite(session),
    history: await history(session),
    subscription: await subscribe(session),
  })));
  console.log(JSON.stringify(found));
}

main().then(
  () => process.exit(0),
  (trouble) => { console.error(trouble); process.exit(1); },
);
