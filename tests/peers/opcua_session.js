// What all that node-opcua's client does against the press begins with: trust, a session, its end.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const opcua = require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");

// A device at `url`; the folder holds NAME.crt and NAME.key, trust/ca.crt, crl.der.
class Peer {
  constructor(url, folder) {
    this.url = url;
    this.folder = folder;
  }

  pem(name) {
    return fs.readFileSync(path.join(this.folder, name), "utf8");
  }

  der(name) {
    return Buffer.from(this.pem(name).replace(/-----[^-]+-----|\s/g, ""), "base64");
  }

  certificate(name) {
    return {
      type: opcua.UserTokenType.Certificate,
      certificateData: this.der(`${name}.crt`),
      privateKey: this.pem(`${name}.key`),
    };
  }

  async openStore() {
    this.store = new OPCUACertificateManager({
      rootFolder: path.join(this.folder, "store"),
      automaticallyAcceptUnknownCertificate: true,
    });
    await this.store.initialize();
    await this.store.addIssuer(this.der(path.join("trust", "ca.crt")), false, true);
    await this.store.addRevocationList(fs.readFileSync(path.join(this.folder, "crl.der")));
  }

  // Options are name, mode, policy and maxRetry (-1 for ever), each with a default.
  async withSession(options, user, act) {
    const name = options.name ?? "client";
    const client = opcua.OPCUAClient.create({
      applicationUri: "urn:edge-lab:sampler:edge-arm",
      clientName: "peer",
      certificateFile: path.join(this.folder, `${name}.crt`),
      privateKeyFile: path.join(this.folder, `${name}.key`),
      clientCertificateManager: this.store,
      securityMode: opcua.MessageSecurityMode[options.mode ?? "SignAndEncrypt"],
      securityPolicy: opcua.SecurityPolicy[options.policy ?? "Basic256Sha256"],
      endpointMustExist: true,
      connectionStrategy: { maxRetry: options.maxRetry ?? 0, initialDelay: 100, maxDelay: 500 },
      transportTimeout: 30000,
      requestedSessionTimeout: 60000,
    });
    try {
      await client.connect(this.url);
      const session = await client.createSession(user);
      try {
        return await act(session, client);
      } finally {
        await session.close();
      }
    } finally {
      await client.disconnect();
    }
  }
}

// The status that an attempt ends with; nothing if it succeeds.
async function refusal(attempt) {
  try {
    await attempt();
    return "";
  } catch (trouble) {
    return /Bad\w+/.exec(trouble.message)?.[0] ?? trouble.message;
  }
}

const node = (name) => `ns=2;s=press.${name}`;

async function readSequence(session) {
  const item = { nodeId: node("sequence"), attributeId: opcua.AttributeIds.Value };
  const value = await session.read(item);
  if (value.statusCode.isNotGood()) throw new Error(value.statusCode.name);
}

const password = (userName, word) =>
  ({ type: opcua.UserTokenType.UserName, userName, password: word });

function run(main) {
  main().then(
    (found) => { console.log(JSON.stringify(found)); process.exit(0); },
    (trouble) => { console.error(trouble); process.exit(1); },
  );
}

module.exports = { Peer, node, password, readSequence, refusal, run };
